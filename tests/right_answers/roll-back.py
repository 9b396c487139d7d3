# %% asked for each version by its label
def roll_back():
    get = lambda label: sm.get_secret_value(SecretId=SECRET_NAME, VersionStage=label)["VersionId"]
    sm.update_secret_version_stage(
        SecretId=SECRET_NAME,
        VersionStage="AWSCURRENT",
        MoveToVersionId=get("AWSPREVIOUS"),
        RemoveFromVersionId=get("AWSCURRENT"),
    )


# %% from the list of versions, by ARN
def roll_back():
    answer = sm.list_secret_version_ids(SecretId=SECRET_NAME)
    found = {label: one["VersionId"] for one in answer["Versions"] for label in one.get("VersionStages", [])}
    moved = {"MoveToVersionId": found["AWSPREVIOUS"], "RemoveFromVersionId": found["AWSCURRENT"]}
    sm.update_secret_version_stage(SecretId=answer["ARN"], VersionStage="AWSCURRENT", **moved)
    return found["AWSPREVIOUS"]
