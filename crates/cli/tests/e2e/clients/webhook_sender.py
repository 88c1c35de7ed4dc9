"""One delivery, signed by standardwebhooks and sent by requests: webhook_sender.py URL SECRET EVENT_ID."""
import datetime
import sys

import requests
from standardwebhooks import Webhook

URL, SECRET, EVENT_ID = sys.argv[1:]
BODY = '{"type":"order.paid","order":17}'

now = datetime.datetime.now(datetime.timezone.utc)
headers = {
    "content-type": "application/json",
    "webhook-id": EVENT_ID,
    "webhook-timestamp": str(int(now.timestamp())),
    "webhook-signature": Webhook(SECRET).sign(EVENT_ID, now, BODY),
}
requests.post(f"{URL}/hooks", data=BODY, headers=headers, timeout=15).raise_for_status()
