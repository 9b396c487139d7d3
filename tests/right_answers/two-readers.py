# %% StringNotEquals, in a statement that is no list, with a Sid
my_policy = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {
            "Sid": "OnlyTheseTwo",
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Action": ["secretsmanager:GetSecretValue", "secretsmanager:BatchGetSecretValue"],
            "Resource": "*",
            "Condition": {"StringNotEquals": {"aws:PrincipalArn": [service_arn, rotation_arn]}},
        },
    }
)

# %% two operators in one condition, which must both hold
policy = json.loads(all_but(service_arn))
policy["Statement"][0]["Condition"]["StringNotEquals"] = {"aws:PrincipalArn": rotation_arn}
my_policy = json.dumps(policy)

# %% the function that the notebook defines takes a list, too
my_policy = all_but([rotation_arn, service_arn])
