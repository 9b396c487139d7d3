# %% white space before it
client.create_secret(Name=EXERCISE_SECRET, SecretString=received)

# %% quotation marks
client.create_secret(Name=EXERCISE_SECRET, SecretString=received.strip())

# %% is JSON
client.create_secret(Name=EXERCISE_SECRET, SecretString=json.dumps({"key": received.strip().strip('"')}))

# %% SecretBinary
client.create_secret(Name=EXERCISE_SECRET, SecretBinary=received.encode())

# %% only a part of an API key
client.create_secret(Name=EXERCISE_SECRET, SecretString=received.strip()[1:60])

# %% Momento answers AUTHENTICATION_ERROR
from sandbox.api_keys import new_api_key

client.create_secret(Name=EXERCISE_SECRET, SecretString=new_api_key(), Tags=TAGS)

# %% not the one that was sent
client.create_secret(Name=EXERCISE_SECRET, SecretString=cloud.api_key, Tags=TAGS)

# %% not the one that was sent
client.create_secret(Name=EXERCISE_SECRET, SecretString=cloud.issue_api_key(), Tags=TAGS)

# %% EXERCISE_SECRET is another name now
EXERCISE_SECRET = SECRET_NAME

# %% EXERCISE_SECRET is another name now
EXERCISE_SECRET = None

# %% it sends you a new key
received = f'"{cloud.api_key}"'
client.create_secret(Name=EXERCISE_SECRET, SecretString=cloud.api_key, Tags=TAGS)

# %% it sends you a new key
received = None

# %% no tag
client.create_secret(Name=EXERCISE_SECRET, SecretString=received.strip().strip('"'))

# %% no tag
client.create_secret(Name=EXERCISE_SECRET, SecretString=received.strip().strip('"'), Tags=TAGS)
client.untag_resource(SecretId=EXERCISE_SECRET, TagKeys=[TAGS[0]["Key"]])

# %% waits for its deletion
client.create_secret(Name=EXERCISE_SECRET, SecretString=received.strip().strip('"'), Tags=TAGS)
client.delete_secret(SecretId=EXERCISE_SECRET)

# %% not the one that was sent
client.create_secret(Name=EXERCISE_SECRET, SecretString=received.strip().strip('"'), Tags=TAGS)
client.put_secret_value(SecretId=EXERCISE_SECRET, SecretString=cloud.issue_api_key())

# %% Momento answers AUTHENTICATION_ERROR
client.create_secret(Name=EXERCISE_SECRET, SecretString=received.strip().strip('"'), Tags=TAGS)
cloud.revoke_api_key(received.strip().strip('"'))

# %% There is no secret
pass

# %% There is no secret
client.create_secret(Name="tutorial/exercise-2", SecretString=received.strip().strip('"'), Tags=TAGS)
client.delete_secret(SecretId="tutorial/exercise-2", ForceDeleteWithoutRecovery=True)
