# %% in two statements, with the exact ARN, and in lower case as IAM takes it
my_policy = document(
    statement(without_suffix + "??????", "secretsmanager:getsecretvalue"),
    statement(secret_arn, "secretsmanager:DescribeSecret"),
)

# %% one statement that is no list, with a Deny besides
deny = {"Effect": "Deny", "Action": "secretsmanager:DeleteSecret", "Resource": "*"}
my_policy = json.dumps({"Version": "2012-10-17", "Statement": [read_one_secret(secret_arn), deny]})
