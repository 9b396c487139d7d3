# %% It returns nothing
read_token = lambda name: None

# %% White space is never part of a key
read_token = retrieve


# %% take the white space off before
def read_token(name):
    check(retrieve(name))
    return retrieve(name)


# %% check() says what is wrong
read_token = lambda name: retrieve(name).strip()


# %% Raise a TokenError
def read_token(name):
    text = retrieve(name).strip()
    return json.loads(text)["apiKey"] if text[0] == "{" else text


# %% something else than that token
read_token = lambda name: cloud.api_key

# %% something else than that token
read_token = lambda name: retrieve(SECRET_NAME).strip()

# %% something else than that token
kept = {}


def read_token(name):
    return kept.setdefault("token", retrieve(name).strip())


# %% says too little
def read_token(name):
    text = retrieve(name).strip()
    try:
        check(text)
    except TokenError:
        raise TokenError("") from None
    return text


# %% the same about different mistakes
def read_token(name):
    text = retrieve(name).strip()
    try:
        check(text)
    except TokenError:
        raise TokenError("this is not a token") from None
    return text


# %% repeats the text
def read_token(name):
    text = retrieve(name).strip()
    try:
        check(text)
    except TokenError:
        raise TokenError(f"the text {text} is not a token") from None
    return text


# %% raised TokenError
def read_token(name):
    raise TokenError("this is never a token, whatever it is")


# %% It returned None for
def read_token(name):
    text = retrieve(name).strip()
    try:
        check(text)
    except TokenError:
        return None
    return text
