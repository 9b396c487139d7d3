# %% is a dict
my_policy = json.loads(BROKEN)

# %% is a NoneType
my_policy = None

# %% is a function
my_policy = lambda: BROKEN.replace("api_key", "api-key")

# %% valid JSON still
my_policy = BROKEN[:-1]

# %% valid JSON still
my_policy = ""

# %% valid JSON still
my_policy = "[]"

# %% character by character
my_policy = BROKEN.replace("api_key-??????", "api-key")

# %% DescribeSecret was denied
my_policy = document(statement(secret_arn, "secretsmanager:GetSecretValue"))

# %% of another name
my_policy = document(statement("*", *read_one_secret("")["Action"]))

# %% write six question marks
my_policy = BROKEN.replace("api_key-??????", "api-key-*")

# %% a change of the secret
my_policy = document(statement(secret_arn, "secretsmanager:*"))

# %% the secret's deletion
my_policy = document(statement(secret_arn, *READS, "secretsmanager:DeleteSecret"))

# %% a new value
my_policy = document(statement(secret_arn, *READS, "secretsmanager:PutSecretValue"))

# %% a look at the secret's own policy
my_policy = document(statement(secret_arn, "secretsmanager:Get*", "secretsmanager:DescribeSecret"))

# %% a list of the account's identities
my_policy = document(read_one_secret(secret_arn), statement("*", "iam:*"))

# %% ec2:*
my_policy = document(read_one_secret(secret_arn), statement("*", "ec2:*"))

# %% secretsmanager:tagresource
my_policy = document(statement(secret_arn, *READS, "secretsmanager:TagResource"))

# %% a change of the secret
my_policy = document({"Effect": "Allow", "NotAction": "iam:*", "Resource": secret_arn})
