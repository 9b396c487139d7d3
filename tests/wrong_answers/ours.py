# %% returned something else than names
def find_ours():
    return sm.list_secrets()["SecretList"]


# %% Go by the tag and not by the name
def find_ours():
    return [s["Name"] for s in sm.list_secrets(Filters=[{"Key": "name", "Values": ["tutorial/"]}])["SecretList"]]


# %% Compare key and value of one tag
def find_ours():
    keys, values = [{"Key": f"tag-{part.lower()}", "Values": [TAGS[0][part]]} for part in ("Key", "Value")]
    pages = sm.get_paginator("list_secrets").paginate(Filters=[keys, values])
    return [s["Name"] for page in pages for s in page["SecretList"]]


# %% see client.get_paginator(…)
# needs many pages
def find_ours():
    return [s["Name"] for s in sm.list_secrets()["SecretList"] if TAGS[0] in s.get("Tags", [])]


# %% beside another one
def find_ours():
    pages = sm.get_paginator("list_secrets").paginate()
    return [s["Name"] for page in pages for s in page["SecretList"] if s.get("Tags", [])[:1] == TAGS]
