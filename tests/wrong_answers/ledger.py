# %% There is no answer yet
my_answer = None

# %% was the second
my_answer = "GetSecretValue"

# %% not how AWS spells it
my_answer = "describe_secret"

# %% not how AWS spells it
my_answer = "describesecret"

# %% isn't on the page
my_answer = "ListSecrets"

# %% one name, no more
my_answer = "DescribeSecret GetSecretValue"

# %% There is no answer yet
my_answer = ["DescribeSecret"]

# %% There is no answer yet
my_answer = b"DescribeSecret"

# %% There is no answer yet
my_answer = 1


# %% isn't on the page
class Always(str):
    __eq__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __hash__ = str.__hash__


my_answer = Always("whatever")

# %% Run the cell with `SecretCache` again
my_answer = "GetSecretValue"
with cloud.ledger.page("a page of the learner's") as cached:
    cache.get_secret_string(SECRET_NAME)

# %% Run the cell with `SecretCache` again
my_answer, cached = "DescribeSecret", None
