# %% a generator
def find_ours():
    for page in sm.get_paginator("list_secrets").paginate():
        for secret in page["SecretList"]:
            if TAGS[0] in secret.get("Tags", []):
                yield secret["Name"]


# %% a set, page by page
# ask: many pages
def find_ours():
    found, more = set(), {}
    while True:
        answer = sm.list_secrets(Filters=[{"Key": "tag-value", "Values": [TAGS[0]["Value"]]}], **more)
        for secret in answer["SecretList"]:
            tags = {tag["Key"]: tag["Value"] for tag in secret["Tags"]}
            if tags.get("created-by") == "momento-secrets-tutorial":
                found.add(secret["Name"])
        if "NextToken" not in answer:
            return found
        more = {"NextToken": answer["NextToken"]}


# %% a filter over all
class Finder:
    def __call__(self):
        pages = boto3.client("secretsmanager").get_paginator("list_secrets").paginate(MaxResults=50)
        secrets = (one for page in pages for one in page["SecretList"])
        return map(lambda one: one["Name"], filter(lambda one: TAGS[0] in one.get("Tags", ()), secrets))


find_ours = Finder()
