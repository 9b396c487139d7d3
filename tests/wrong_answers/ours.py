# %% returned something else than names
def find_ours():
    return sm.list_secrets()["SecretList"]


# %% Go by the tag and not by the name
def find_ours():
    return [s["Name"] for s in sm.list_secrets(Filters=[{"Key": "name", "Values": ["tutorial/"]}])["SecretList"]]


# %% Compare the whole key and the whole value
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


# %% carry another tag, or the same key with another value
def find_ours():
    pages = sm.get_paginator("list_secrets").paginate()
    mine = {s["Name"]: {t["Key"]: t["Value"] for t in s.get("Tags", [])} for page in pages for s in page["SecretList"]}
    return [name for name, tags in mine.items() if tags.get("created-by", "").startswith(TAGS[0]["Value"])]


# %% take `secret.get("Tags", [])`
def find_ours():
    pages = sm.get_paginator("list_secrets").paginate()
    return [s["Name"] for page in pages for s in page["SecretList"] if TAGS[0] in s["Tags"]]


# %% Write a plain function
async def find_ours():
    return [s["Name"] for s in sm.list_secrets()["SecretList"] if TAGS[0] in s.get("Tags", [])]


# %% (UnknownOperationException) when calling the GetResources operation
def find_ours():
    tagged = boto3.client("resourcegroupstaggingapi").get_paginator("get_resources")
    pages = tagged.paginate(TagFilters=[{"Key": TAGS[0]["Key"], "Values": [TAGS[0]["Value"]]}])
    return [one["ResourceARN"].split(":")[-1][:-7] for page in pages for one in page["ResourceTagMappingList"]]
