# %% True or False
is_just_right = lambda identity: attempt(identity, SECRET_NAME)

# %% raised ZeroDivisionError
is_just_right = lambda identity: 1 / 0

# %% without a read
is_just_right = lambda identity: True

# %% without a read
is_just_right = lambda identity: False

# %% One that must not
is_just_right = lambda identity: attempt(identity, SECRET_NAME) == "allowed"

# %% it says False
is_just_right = lambda identity: attempt(identity, OTHER_NAME) == "allowed"

# %% without a read
look = "describe_secret"
is_just_right = lambda identity: (
    attempt(identity, SECRET_NAME, look) == "allowed" and attempt(identity, OTHER_NAME, look) != "allowed"
)

# %% it says
answers = [True, False, False] * 3


def is_just_right(identity):
    attempt(identity, SECRET_NAME)
    attempt(identity, OTHER_NAME)
    return answers.pop(0)


# %% it says True
def is_just_right(identity):
    attempt(identity, SECRET_NAME)
    return True


# %% True or False
is_just_right = lambda identity: attempt(identity, SECRET_NAME) and 1

# %% raised ClientError
is_just_right = lambda identity: bool(identity.client("secretsmanager").get_secret_value(SecretId=SECRET_NAME))


# %% without a read
def is_just_right(identity):
    policies = iam.list_users()["Users"]
    return len(policies) > 0
