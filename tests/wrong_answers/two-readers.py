# %% The policy denies the service and the rotation function
policy, other = json.loads(all_but(service_arn)), json.loads(all_but(rotation_arn))
policy["Statement"] += other["Statement"]
my_policy = json.dumps(policy)

# %% The policy denies the service.
my_policy = all_but(rotation_arn)

# %% The policy denies the service and the rotation function
my_policy = all_but(f"{service_arn}, {rotation_arn}")

# %% it is no JSON text, but a dict
my_policy = json.loads(all_but([service_arn, rotation_arn]))

# %% it is no JSON text, but a tuple
my_policy = all_but(service_arn), all_but(rotation_arn)

# %% it is no JSON
my_policy = all_but(service_arn) + all_but(rotation_arn)

# %% An identity that may read every secret
my_policy = all_but([service_arn, rotation_arn]).replace("Deny", "Allow").replace("NotEquals", "Equals")

# %% An identity that may read every secret
my_policy = all_but("arn:aws:iam::000000000000:user/*").replace("NotEquals", "NotLike")

# %% no administrator can change this policy
my_policy = all_but([service_arn, rotation_arn]).replace("secretsmanager:GetSecretValue", "secretsmanager:*")

# %% a statement has no Principal
my_policy = policy_for(secret_arn)

# %% a statement has no Principal
policy = json.loads(all_but([service_arn, rotation_arn]))
policy["Statement"][0]["NotPrincipal"] = {"AWS": [service_arn, rotation_arn]}
del policy["Statement"][0]["Principal"]
my_policy = json.dumps(policy)

# %% The policy denies the service and the rotation function
my_policy = all_but([service_arn, rotation_arn]).replace("ArnNotEquals", "ArnEquals")
