# %% white space before it
client.create_secret(Name=EXERCISE_SECRET, SecretString=received)

# %% SecretBinary
client.create_secret(Name=EXERCISE_SECRET, SecretBinary=received.strip().strip('"').encode(), Tags=TAGS)

# %% not the one that you were sent
client.create_secret(Name=EXERCISE_SECRET, SecretString=cloud.api_key, Tags=TAGS)

# %% no tag
client.create_secret(Name=EXERCISE_SECRET, SecretString=received.strip().strip('"'))

# %% client.restore_secret
client.create_secret(Name=EXERCISE_SECRET, SecretString=received.strip().strip('"'), Tags=TAGS)
client.delete_secret(SecretId=EXERCISE_SECRET)
