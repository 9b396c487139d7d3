# %% asked for the version by its label
def roll_back():
    get = lambda label: sm.get_secret_value(SecretId=SECRET_NAME, VersionStage=label)["VersionId"]
    sm.update_secret_version_stage(
        SecretId=SECRET_NAME,
        VersionStage="AWSCURRENT",
        MoveToVersionId=get("AWSPREVIOUS"),
        RemoveFromVersionId=get("AWSCURRENT"),
    )


# %% from the list of versions
def roll_back():
    versions = sm.list_secret_version_ids(SecretId=SECRET_NAME)["Versions"]
    found = {label: one["VersionId"] for one in versions for label in one.get("VersionStages", [])}
    sm.update_secret_version_stage(
        SecretId=SECRET_NAME,
        VersionStage="AWSCURRENT",
        MoveToVersionId=found["AWSPREVIOUS"],
        RemoveFromVersionId=found["AWSCURRENT"],
    )


# %% by ARN, saying what it did
class RollBack:
    def __call__(self):
        about = boto3.client("secretsmanager").describe_secret(SecretId=SECRET_NAME)
        (old,) = [one for one, its in about["VersionIdsToStages"].items() if "AWSPREVIOUS" in its]
        (new,) = [one for one, its in about["VersionIdsToStages"].items() if "AWSCURRENT" in its]
        sm.update_secret_version_stage(
            SecretId=about["ARN"],
            VersionStage="AWSCURRENT",
            RemoveFromVersionId=new,
            MoveToVersionId=old,
        )
        print("back to", old)
        return old


roll_back = RollBack()
