# %% still on the token that Momento denies
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
