# %% read as JSON, and tagged afterwards
client.create_secret(Name=EXERCISE_SECRET, SecretString=json.loads(received))
client.tag_resource(SecretId=EXERCISE_SECRET, Tags=[{"Key": "team", "Value": "games"}])

# %% updated, and the text put right in place
received = received.strip().strip('"')
client.create_secret(Name=EXERCISE_SECRET, SecretString="wrong at first", Tags=TAGS)
client.update_secret(SecretId=EXERCISE_SECRET, SecretString=received)
