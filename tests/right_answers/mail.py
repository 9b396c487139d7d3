# %% read as JSON, and tagged afterwards
sm.create_secret(Name="tutorial/exercise", SecretString=json.loads(received))
sm.tag_resource(SecretId="tutorial/exercise", Tags=[{"Key": "team", "Value": "games"}])

# %% updated, and the text put right in place
received = received.strip().strip('"')
sm.create_secret(Name="tutorial/exercise", SecretString="wrong at first", Tags=TAGS)
sm.update_secret(SecretId="tutorial/exercise", SecretString=received)

# %% by the function of the notebook, which tags
store("tutorial/exercise", received.strip('" \n'))
