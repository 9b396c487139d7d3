# %% this policy, a dict
my_policy = json.loads(BROKEN)

# %% every brace and quotation mark
my_policy = BROKEN[:-1]

# %% Denied: describe_secret
my_policy = document(statement(secret_arn, "secretsmanager:GetSecretValue"))

# %% secret:*/momento-api-key-?????? can match other secrets
my_policy = BROKEN.replace("tutorial/momento-api_key", "*/momento-api-key")

# %% six question marks
my_policy = BROKEN.replace("api_key-??????", "api-key-*")

# %% too much: secretsmanager:Get*
my_policy = document(statement(secret_arn, "secretsmanager:Get*", "secretsmanager:DescribeSecret"))
