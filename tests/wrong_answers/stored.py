# %% it returned a Kind
read_token = lambda name: check(retrieve(name).strip())


# %% Is the white space gone before you call check()?
def read_token(name):
    check(retrieve(name))
    return retrieve(name).strip()


# %% For the JSON of the tab Key/value it returned the text as it was stored
read_token = lambda name: retrieve(name).strip()


# %% raised KeyError: 'apiKey'
def read_token(name):
    text = retrieve(name).strip()
    return json.loads(text)["apiKey"] if text[0] == "{" else text


# %% the same about different mistakes
def read_token(name):
    text = retrieve(name).strip()
    try:
        check(text)
    except TokenError:
        raise TokenError("this is not a token") from None
    return text
