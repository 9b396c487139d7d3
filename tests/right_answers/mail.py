# %% one call
client.create_secret(
    Name=EXERCISE_SECRET,
    SecretString=received.strip().strip('"'),
    Tags=[{"Key": "team", "Value": "games"}],
)

# %% tagged afterwards
client.create_secret(Name=EXERCISE_SECRET, SecretString=json.loads(received))
client.tag_resource(SecretId=EXERCISE_SECRET, Tags=TAGS)

# %% updated, after something else was there
client.create_secret(Name=EXERCISE_SECRET, SecretString="wrong at first", Tags=TAGS)
client.update_secret(SecretId=EXERCISE_SECRET, SecretString=received.split('"')[1])

# %% deleted by mistake and brought back
client.create_secret(Name=EXERCISE_SECRET, SecretString=received.split('"')[1], Tags=TAGS)
client.delete_secret(SecretId=EXERCISE_SECRET)
client.restore_secret(SecretId=EXERCISE_SECRET)
