"""One call of aliyun-api-gateway-python: aliyun_client.py URL KEY_ID SECRET get|form|json."""
import sys

from aliyun_api_gateway import ApiGatewayClient

URL, KEY_ID, SECRET, CALL = sys.argv[1:]
client = ApiGatewayClient(URL, KEY_ID, SECRET)

if CALL == "get":
    answer = client.request("GET", "/orders", query=(("colour", "green"), ("empty", "")))
elif CALL == "form":
    answer = client.request("POST", "/orders?page=1", form=(("name", "xiaoming"), ("note", "a b")))
elif CALL == "json":
    answer = client.request("POST", "/orders", json_body={"name": "xiaoming"})
else:
    sys.exit(f"no call {CALL}")
answer.raise_for_status()
