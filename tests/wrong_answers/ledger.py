# %% There is no name yet
my_answer = None

# %% was the second
my_answer = "GetSecretValue"

# %% one name from the column
my_answer = "DescribeSecret, GetSecretValue"

# %% spelled as it is there
my_answer = "Secrets Manager"

# %% The ledger's page holds 1 calls
my_answer = "GetSecretValue"
with cloud.ledger.page("the naive read") as cached:
    sm.get_secret_value(SecretId=SECRET_NAME)

# %% Run the cell with `SecretCache` again
my_answer = "GetSecretValue"
with cloud.ledger.page("reads through a cache that is warm") as cached:
    cache.get_secret_string(SECRET_NAME)
