# %% this policy, a dict
my_policy = json.loads(policy_for(secret_arn[:-6] + "??????"))

# %% this policy, a NoneType
my_policy = None

# %% every brace and quotation mark
my_policy = policy_for(secret_arn[:-6] + "??????")[:-1]

# %% Denied: get_secret_value, describe_secret
my_policy = policy_for(SECRET_NAME)

# %% Compare its resource with `six_marks`
my_policy = policy_for(secret_arn[:-6] + "?????")

# %% Denied: describe_secret
my_policy = policy_for(secret_arn[:-6] + "??????").replace("DescribeSecret", "ListSecretVersionIds")

# %% secret:*/momento-api-key-?????? can match other secrets
my_policy = policy_for(secret_arn[:-6].replace(SECRET_NAME, "*/momento-api-key") + "??????")

# %% momento-api?key-?????? can match other secrets
my_policy = policy_for(secret_arn[:-6].replace("api-key", "api?key") + "??????")

# %% six question marks
my_policy = policy_for(secret_arn[:-6] + "*")

# %% six question marks in place
my_policy = policy_for(secret_arn[:-6] + "?????*")

# %% too much: secretsmanager:Get*
my_policy = policy_for(secret_arn[:-6] + "??????").replace("GetSecretValue", "Get*")

# %% too much: kms:Decrypt
policy = json.loads(policy_for(secret_arn[:-6] + "??????"))
policy["Statement"].append({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"})
my_policy = json.dumps(policy)


# %% its Version must be 2012-10-17
my_policy = policy_for(secret_arn[:-6] + "??????").replace("2012-10-17", "2026-11-26")

# %% a policy of an identity has no Principal
my_policy = policy_for(secret_arn[:-6] + "??????").replace('"Effect"', '"Principal": "*", "Effect"')
