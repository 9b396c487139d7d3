# %% white space before it
sm.create_secret(Name="tutorial/exercise", SecretString=received)

# %% quotation marks or brackets around it
store("tutorial/exercise", received.strip())

# %% SecretBinary
sm.create_secret(Name="tutorial/exercise", SecretBinary=received.strip().strip('"').encode(), Tags=TAGS)

# %% not the key that you were sent
sm.create_secret(Name="tutorial/exercise", SecretString=cloud.api_key, Tags=TAGS)

# %% If you have changed `received`
received = received.strip()[1:-4]  # its last three characters are gone
store("tutorial/exercise", received)

# %% no tag
sm.create_secret(Name="tutorial/exercise", SecretString=received.strip().strip('"'))

# %% sm.create_secret
store(SECRET_NAME, cloud.api_key)  # under another name than the exercise's

# %% sm.restore_secret
store("tutorial/exercise", received.strip().strip('"'))
sm.delete_secret(SecretId="tutorial/exercise")
