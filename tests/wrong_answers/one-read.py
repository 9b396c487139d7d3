# %% tried to end the process
def handle(user):
    get_ipython().ask_exit() if "get_ipython" in globals() else os._exit(1)


# %% still one read for each Momento call
handle = handle_naively


# %% each once
def handle(user):
    return 1


# %% raised KeyError
def handle(user):
    raise KeyError(user)


# %% has to come from Secrets Manager
def handle(user):
    return visit_with(cache_client, user)


# %% goes on with an old one
def handle(user):
    get_token(SECRET_NAME)
    return visit_with(cache_client, user)


# %% Return the number that the third call gets
def handle(user):
    with naive_client() as client:
        visit_with(client, user)
    return 1


# %% Return the number that the third call gets
def handle(user):
    with naive_client() as client:
        return str(visit_with(client, user))


# %% each once
def handle(user):
    with naive_client() as client:
        for _ in range(3):
            client.set(CACHE_NAME, f"{user}/visits", "1")
    return 1


# %% each once
def handle(user):
    with naive_client() as client:
        for _ in range(3):
            answer = client.get(CACHE_NAME, f"{user}/visits")
    return int(answer.value_string) + 1


# %% with their keys
def handle(user):
    with naive_client() as client:
        client.set(CACHE_NAME, f"{user}/seen", "today")
        client.increment(CACHE_NAME, "elsewhere")
        return int(client.get(CACHE_NAME, f"{user}/visits").value_string) + 1


# %% with their keys
def handle(user):
    with naive_client() as client:
        client.set(CACHE_NAME, f"{user}/visits", "1")
        client.increment(CACHE_NAME, f"{user}/seen")
        return int(client.get(CACHE_NAME, f"{user}/visits").value_string)


# %% Make it one read for each request
def handle(user):
    get_token(SECRET_NAME)
    with naive_client() as client:
        return visit_with(client, user)


# %% raised AttributeError
def handle(user):
    with CacheClient(configuration, cloud.credentials_from(cloud.issue_api_key()), TTL) as client:
        return visit_with(client, user).value


# %% deleted the secret tutorial/database-password
def handle(user):
    with naive_client() as client:
        visits = visit_with(client, user)
    with suppress(sm.exceptions.ResourceNotFoundException):
        sm.delete_secret(SecretId=OTHER_NAME, ForceDeleteWithoutRecovery=True)
    return visits


# %% created the secret
def handle(user):
    with naive_client() as client:
        visits = visit_with(client, user)
    sm.create_secret(Name=f"copy/{time.time_ns()}", SecretString=str(visits))
    return visits


# %% each once
def handle(user):
    try:
        return handle_naively()
    except BaseException:
        return 1
