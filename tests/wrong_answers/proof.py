# %% it returned a str
is_just_right = lambda identity: attempt(identity, SECRET_NAME)

# %% for the other one it must fail
is_just_right = lambda identity: attempt(identity, SECRET_NAME) == "allowed"

# %% Two requests with get_secret_value
look = "describe_secret"
is_just_right = lambda identity: (
    attempt(identity, SECRET_NAME, look) == "allowed" and attempt(identity, OTHER_NAME, look) != "allowed"
)

# %% raised ClientError
is_just_right = lambda identity: bool(identity.client("secretsmanager").get_secret_value(SecretId=OTHER_NAME))
