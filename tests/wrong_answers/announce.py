# %% announce returned nothing
from momento import TopicClient, TopicConfigurations


def new_topic_client(token):
    return TopicClient(TopicConfigurations.Default.latest(), cloud.credentials_from(token))


topics = MomentoClient(SECRET_NAME, new_topic_client)


def announce(text):
    checked(topics.call(lambda client: client.publish(CACHE_NAME, "news", text)))


# %% After a rotation Momento denied a call
from momento import TopicClient, TopicConfigurations

client = TopicClient(TopicConfigurations.Default.latest(), cloud.credentials_from(get_token(sm)))


def announce(text):
    return checked(client.publish(CACHE_NAME, "news", text))


# %% with the token that it gives to new_topic_client
from momento import TopicClient, TopicConfigurations

credentials = cloud.credentials_from(get_token(sm))  # once, outside
topics = MomentoClient(SECRET_NAME, lambda token: TopicClient(TopicConfigurations.Default.latest(), credentials))


def announce(text):
    return topics.call(lambda client: client.publish(CACHE_NAME, "news", text))


# %% your client has the old token
from momento import TopicClient, TopicConfigurations

kept = []


def announce(text):
    """Makes a new client when it is denied, and doesn't repeat the call."""
    if not kept:
        kept.append(TopicClient(TopicConfigurations.Default.latest(), cloud.credentials_from(get_token(sm))))
    response = kept[0].publish(CACHE_NAME, "news", text)
    if hasattr(response, "error_code"):
        kept.clear()
    return checked(response)


# %% reads of the secret: 2, new topic clients: 2
from momento import TopicClient, TopicConfigurations


def new_topic_client(token):
    return TopicClient(TopicConfigurations.Default.latest(), cloud.credentials_from(token))


def announce(text):
    topics = MomentoClient(SECRET_NAME, new_topic_client)
    return checked(topics.call(lambda client: client.publish(CACHE_NAME, "news", text)))


# %% reads of the secret: 2, new topic clients: 1
from momento import TopicClient, TopicConfigurations

held = {}


def announce(text):
    token = get_token(sm)
    if token not in held:
        held[token] = TopicClient(TopicConfigurations.Default.latest(), cloud.credentials_from(token))
    return checked(held[token].publish(CACHE_NAME, "news", text))


# %% was lost, and announce raised nothing
from momento import TopicClient, TopicConfigurations


def new_topic_client(token):
    return TopicClient(TopicConfigurations.Default.latest(), cloud.credentials_from(token))


topics = MomentoClient(SECRET_NAME, new_topic_client)


def announce(text):
    return topics.call(lambda client: client.publish(CACHE_NAME, "news", text))


# %% and its text is not on the topic
from momento import TopicClient, TopicConfigurations


def new_topic_client(token):
    return TopicClient(TopicConfigurations.Default.latest(), cloud.credentials_from(token))


topics = MomentoClient(SECRET_NAME, new_topic_client)


def announce(text):
    return checked(topics.call(lambda client: client.publish(CACHE_NAME, "announcements", text)))


# %% put `checked` around its `call`, not inside
from momento import TopicClient, TopicConfigurations


def new_topic_client(token):
    return TopicClient(TopicConfigurations.Default.latest(), cloud.credentials_from(token))


topics = MomentoClient(SECRET_NAME, new_topic_client)


def announce(text):
    """`checked` inside of `call`: it raises before `call` sees that the token is denied."""
    return topics.call(lambda client: checked(client.publish(CACHE_NAME, "news", text)))


# %% After a rotation a text is not on the topic
from momento import TopicClient, TopicConfigurations


def new_topic_client(token):
    return TopicClient(TopicConfigurations.Default.latest(), cloud.credentials_from(token))


client = new_topic_client(get_token(sm))
responses = []


def announce(text):
    response = client.publish(CACHE_NAME, "news", text)
    responses.append(response if not hasattr(response, "error_code") else responses[-1])
    return responses[-1]


# %% so subscribers may get it twice

from momento import TopicClient, TopicConfigurations

held = []


def announce(text):
    """Repeats a call after any error."""
    for _ in range(3):
        if not held:
            credentials = cloud.credentials_from(get_token(sm))
            held.append(TopicClient(TopicConfigurations.Default.latest(), credentials))
        response = held[0].publish(CACHE_NAME, "news", text)
        if not hasattr(response, "error_code"):
            return response
        held.clear()
    return checked(response)


# %% topics = MomentoClient(SECRET_NAME, new_topic_client)

from momento import TopicClient, TopicConfigurations


def new_topic_client(token):
    return TopicClient(TopicConfigurations.Default.latest(), cloud.credentials_from(token))


topics = MomentoClient(SECRET_NAME, new_topic_client(get_token(sm)))


def announce(text):
    return checked(topics.call(lambda client: client.publish(CACHE_NAME, "news", text)))
