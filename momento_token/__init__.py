"""A Momento token from AWS Secrets Manager, for a service: copy this folder. It needs boto3 and momento, nothing else."""
