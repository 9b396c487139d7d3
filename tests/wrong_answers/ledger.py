# %% There is no answer yet
my_answer = None

# %% was the second
my_answer = "GetSecretValue"

# %% spelled as it is there
my_answer = "describe_secret"

# %% one name from the column
my_answer = "DescribeSecret, GetSecretValue"

# %% Run the cell with `SecretCache` again
my_answer = "GetSecretValue"
with cloud.ledger.page("a page of the learner's") as cached:
    cache.get_secret_string(SECRET_NAME)
