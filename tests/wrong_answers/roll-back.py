# %% still on the token that Momento refuses
roll_back = lambda: None

# %% still on the token that Momento refuses
roll_back = lambda: sm.get_secret_value(SecretId=SECRET_NAME, VersionStage="AWSPREVIOUS")

# %% from which it goes
roll_back = lambda: sm.update_secret_version_stage(SecretId=SECRET_NAME, VersionStage="AWSCURRENT")

# %% neither of the two
roll_back = lambda: sm.put_secret_value(SecretId=SECRET_NAME, SecretString=cloud.issue_api_key())

# %% Store nothing
roll_back = lambda: sm.put_secret_value(
    SecretId=SECRET_NAME,
    SecretString=sm.get_secret_value(SecretId=SECRET_NAME, VersionStage="AWSPREVIOUS")["SecretString"],
)


# %% 1 new version was stored besides
def roll_back():
    right_way_back()
    sm.put_secret_value(SecretId=SECRET_NAME, SecretString="junk", VersionStages=["junk"])
    (junk,) = [v for v, its in sm.describe_secret(SecretId=SECRET_NAME)["VersionIdsToStages"].items() if "junk" in its]
    sm.update_secret_version_stage(SecretId=SECRET_NAME, VersionStage="junk", RemoveFromVersionId=junk)


# %% 1 new version was stored besides
def roll_back():
    right_way_back()
    sm.put_secret_value(SecretId=SECRET_NAME, SecretString="junk", VersionStages=["junk"])


# %% The secret is gone
def roll_back():
    right_way_back()
    sm.delete_secret(SecretId=SECRET_NAME, ForceDeleteWithoutRecovery=True)


# %% The secret is gone
roll_back = lambda: sm.delete_secret(SecretId=SECRET_NAME)


# %% neither of the two
def roll_back():
    value = sm.get_secret_value(SecretId=SECRET_NAME, VersionStage="AWSPREVIOUS")["SecretString"]
    sm.delete_secret(SecretId=SECRET_NAME, ForceDeleteWithoutRecovery=True)
    sm.create_secret(Name=SECRET_NAME, SecretString=value + "\n")


# %% as a new version
def roll_back():
    value = sm.get_secret_value(SecretId=SECRET_NAME, VersionStage="AWSPREVIOUS")["SecretString"]
    sm.delete_secret(SecretId=SECRET_NAME, ForceDeleteWithoutRecovery=True)
    sm.create_secret(Name=SECRET_NAME, SecretString=value)


# %% Revoke nothing here
def roll_back():
    right_way_back()
    cloud.revoke_api_key(current_token())


# %% something else was changed
def roll_back():
    right_way_back()
    sm.untag_resource(SecretId=SECRET_NAME, TagKeys=["created-by"])


# %% something else was changed
def roll_back():
    right_way_back()
    sm.delete_secret(SecretId=OTHER_NAME, ForceDeleteWithoutRecovery=True)


# %% other labels were changed too
def roll_back():
    right_way_back()
    versions = sm.describe_secret(SecretId=SECRET_NAME)["VersionIdsToStages"]
    (previous,) = [version for version, its in versions.items() if "AWSPREVIOUS" in its]
    sm.update_secret_version_stage(SecretId=SECRET_NAME, VersionStage="AWSPREVIOUS", RemoveFromVersionId=previous)
