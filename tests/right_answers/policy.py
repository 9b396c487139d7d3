# %% in two statements, with the exact ARN, and in lower case as IAM takes it
marks = secret_arn[:-6] + "??????"
my_policy = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "secretsmanager:getsecretvalue", "Resource": marks},
            {"Effect": "Allow", "Action": ["secretsmanager:DescribeSecret"], "Resource": [secret_arn]},
        ],
    }
)

# %% one statement that is no list, with a Sid
allow = json.loads(policy_for(secret_arn[:-6] + "??????"))["Statement"][0]
my_policy = json.dumps({"Version": "2012-10-17", "Statement": {"Sid": "ReadTheToken", **allow}})

# %% with a Deny besides
policy = json.loads(policy_for(secret_arn[:-6] + "??????"))
policy["Statement"].append({"Effect": "Deny", "Action": "secretsmanager:DeleteSecret", "Resource": "*"})
my_policy = json.dumps(policy)

# %% the exact ARN, which holds until the secret is created again
my_policy = policy_for(secret_arn)
