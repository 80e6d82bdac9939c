"""pixian-s3: images that are uploaded to an S3 bucket appear as cutouts in another."""

import gc

# A function that starts creates hundreds of thousands of objects that stay: modules, and botocore's
# models of the AWS services. With Python's default of 2,000, they are searched for garbage so often
# that it takes a noticeable part of the start.
gc.set_threshold(50_000)
