# %% a generator
def find_ours():
    for page in sm.get_paginator("list_secrets").paginate():
        for secret in page["SecretList"]:
            if TAGS[0] in secret.get("Tags", []):
                yield secret["Name"]


# %% a set, page by page
# needs many pages
def find_ours():
    found, more = set(), {}
    while True:
        answer = sm.list_secrets(Filters=[{"Key": "tag-value", "Values": [TAGS[0]["Value"]]}], **more)
        for secret in answer["SecretList"]:
            if {tag["Key"]: tag["Value"] for tag in secret["Tags"]}.get("created-by") == TAGS[0]["Value"]:
                found.add(secret["Name"])
        if "NextToken" not in answer:
            return found
        more = {"NextToken": answer["NextToken"]}
