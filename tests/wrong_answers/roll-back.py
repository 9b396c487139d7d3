# %% still on the token that Momento denies
roll_back = lambda: sm.get_secret_value(SecretId=SECRET_NAME, VersionStage="AWSPREVIOUS")

# %% AWSPREVIOUS (MoveToVersionId)
roll_back = lambda: sm.update_secret_version_stage(SecretId=SECRET_NAME, VersionStage="AWSCURRENT")

# %% neither of the two
roll_back = lambda: sm.put_secret_value(SecretId=SECRET_NAME, SecretString=cloud.issue_api_key())

# %% Store nothing
roll_back = lambda: sm.put_secret_value(
    SecretId=SECRET_NAME,
    SecretString=sm.get_secret_value(SecretId=SECRET_NAME, VersionStage="AWSPREVIOUS")["SecretString"],
)


# %% KeyError: 'AWSPENDING'
def roll_back():
    moved = {"MoveToVersionId": versions()["AWSPENDING"], "RemoveFromVersionId": versions()["AWSCURRENT"]}
    sm.update_secret_version_stage(SecretId=SECRET_NAME, VersionStage="AWSCURRENT", **moved)


# %% Inside roll_back
looked_up_outside = versions()["AWSCURRENT"]


def roll_back():
    moved = {"MoveToVersionId": versions()["AWSPREVIOUS"], "RemoveFromVersionId": looked_up_outside}
    sm.update_secret_version_stage(SecretId=SECRET_NAME, VersionStage="AWSCURRENT", **moved)


# %% the versions of SECRET_NAME
def roll_back():
    moved = {"MoveToVersionId": versions()["AWSPREVIOUS"], "RemoveFromVersionId": versions()["AWSCURRENT"]}
    sm.update_secret_version_stage(SecretId="momento-api-key", VersionStage="AWSCURRENT", **moved)


# %% which takes no argument
def roll_back(version):
    moved = {"MoveToVersionId": version, "RemoveFromVersionId": versions()["AWSCURRENT"]}
    sm.update_secret_version_stage(SecretId=SECRET_NAME, VersionStage="AWSCURRENT", **moved)


# %% No version has the label AWSCURRENT any more
def roll_back():
    current = versions()["AWSCURRENT"]
    sm.update_secret_version_stage(SecretId=SECRET_NAME, VersionStage="AWSCURRENT", RemoveFromVersionId=current)
