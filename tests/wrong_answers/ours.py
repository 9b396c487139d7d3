# %% returns nothing
def find_ours():
    return None


# %% raised ZeroDivisionError
def find_ours():
    return 1 / 0


# %% with the "Name" of each
def find_ours():
    return sm.list_secrets()["SecretList"]


# %% something else than names
def find_ours():
    return "tutorial/momento-api-key"


# %% something else than names
def find_ours():
    return {one: True for one in ours()}


# %% something else than names
def find_ours():
    return 5


# %% returns ARNs
def find_ours():
    return [sm.describe_secret(SecretId=name)["ARN"] for name in ours()]


# %% Don't go by the name
def find_ours():
    return [s["Name"] for s in sm.list_secrets(Filters=[{"Key": "name", "Values": ["tutorial/go"]}])["SecretList"]]


# %% Compare the value too
def find_ours():
    return [
        s["Name"]
        for page in sm.get_paginator("list_secrets").paginate(Filters=[{"Key": "tag-key", "Values": ["created-by"]}])
        for s in page["SecretList"]
    ]


# %% Compare the value too
def find_ours():
    keys = {"Key": "tag-key", "Values": ["created-by"]}
    values = {"Key": "tag-value", "Values": ["momento-secrets-tutorial"]}
    pages = sm.get_paginator("list_secrets").paginate(Filters=[keys, values])
    return [s["Name"] for page in pages for s in page["SecretList"]]


# %% AWS answers in pages
# ask: many pages
def find_ours():
    return [
        s["Name"]
        for s in sm.list_secrets(Filters=[{"Key": "tag-key", "Values": ["created-by"]}])["SecretList"]
        if TAGS[0] in s["Tags"]
    ]


# %% look at all of them
def find_ours():
    return [name for name, tags in tagged() if tags[:1] == TAGS]


# %% do not carry the tag
def find_ours():
    return [
        *ours(),
        *(s["Name"] for s in sm.list_secrets(Filters=[{"Key": "name", "Values": ["prod/"]}])["SecretList"]),
    ]


# %% do not carry the tag
def find_ours():
    return [*ours(), "prod/db-password"]


# %% some of them twice
def find_ours():
    return ours() * 2


# %% created the secret
def find_ours():
    sm.create_secret(Name=f"found/{time.time_ns()}", SecretString="...")
    return ours()


# %% deleted the secret
def find_ours():
    names = ours()
    sm.delete_secret(SecretId=names[0], ForceDeleteWithoutRecovery=True)
    return names
