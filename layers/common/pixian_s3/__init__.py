"""pixian-s3: images that are uploaded to an S3 bucket appear as cutouts in another."""
