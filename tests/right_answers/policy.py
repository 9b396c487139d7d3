# %% in two statements
my_policy = document(
    statement(without_suffix + "??????", "secretsmanager:GetSecretValue"),
    statement(secret_arn, "secretsmanager:DescribeSecret"),
)

# %% in lower case, as IAM takes it
my_policy = document(read_one_secret(secret_arn)).replace("secretsmanager:Get", "secretsmanager:get")

# %% with a Deny besides
deny = {"Effect": "Deny", "Action": "secretsmanager:DeleteSecret", "Resource": "*"}
my_policy = json.dumps({"Version": "2012-10-17", "Statement": [read_one_secret(secret_arn), deny]})
