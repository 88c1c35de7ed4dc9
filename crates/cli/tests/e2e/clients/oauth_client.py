"""One call of requests with requests_oauthlib's OAuth1: oauth_client.py URL KEY_ID SECRET TOKEN TOKEN_SECRET get|form."""
import sys

import requests
from requests_oauthlib import OAuth1

URL, KEY_ID, SECRET, TOKEN, TOKEN_SECRET, CALL = sys.argv[1:]
auth = OAuth1(KEY_ID, client_secret=SECRET, resource_owner_key=TOKEN, resource_owner_secret=TOKEN_SECRET)

if CALL == "get":
    answer = requests.get(f"{URL}/statuses", params={"colour": "green", "q": "a b"}, auth=auth, timeout=15)
elif CALL == "form":
    answer = requests.post(f"{URL}/statuses", data={"status": "Hello Ladies + Gentlemen"}, auth=auth, timeout=15)
else:
    sys.exit(f"no call {CALL}")
answer.raise_for_status()
