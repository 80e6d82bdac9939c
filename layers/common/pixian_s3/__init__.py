"""Images from one S3 bucket, cut out by Pixian.AI, into another."""
