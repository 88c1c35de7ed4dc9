// An adapter, version 1, over generated signers: each in a package of its own, registered by a file made from register.go.in.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"time"
	"unicode/utf8"
)

// The types of a signer, field for field.
type Message struct {
	Method, Scheme, Version, Target string
	Status                          int
	Headers                         [][2]string
	Body                            []byte
}

type Credential struct {
	KeyID, Secret, PrivateKey, Algorithm string
	Parts                                map[string]string
}

type Options struct {
	At                         time.Time
	Nonce, Expires, BodyDigest string
	Inputs                     map[string]string
	Headers, Omit              []string
}

type Signed struct {
	Message   Message
	Signature string
	Stages    [][2]string
}

var signers = map[string]func(Message, Credential, Options) (Signed, error){}

func register(dialect string, sign func(Message, Credential, Options) (Signed, error)) {
	signers[dialect] = sign
}

// What is asked.
type ask struct {
	ID          any             `json:"id"`
	Op          string          `json:"op"`
	Dialect     string          `json:"dialect"`
	Credentials json.RawMessage `json:"credentials"`
	Inputs      map[string]string
	At          time.Time
	Nonce       string
	Message     struct {
		Kind, Method, Scheme, Version string
		Status                        int
		Target                        string
		TargetBase64                  []byte `json:"target_base64"`
		Headers                       [][2]any
		Body                          string
		BodyBase64                    []byte `json:"body_base64"`
	}
	Options struct {
		Headers, Omit []string
		Expires       string
		BodyDigest    string `json:"body_digest"`
	}
}

type key struct {
	KeyID        string `json:"key_id"`
	Secret       string `json:"secret"`
	SecretBase64 []byte `json:"secret_base64"`
	PrivateKey   string `json:"private_key_pem"`
	Algorithm    string `json:"algorithm"`
	Parts        map[string]string
}

func put(object map[string]any, name, text string) {
	if utf8.ValidString(text) {
		object[name] = text
	} else {
		object[name+"_base64"] = []byte(text)
	}
}

func sign(asked ask) map[string]any {
	signer, there := signers[asked.Dialect]
	if !there {
		return map[string]any{"result": "unsupported", "why": "no signer of this dialect was generated"}
	}
	var keys []key
	if err := json.Unmarshal(asked.Credentials, &keys); err != nil {
		keys = make([]key, 1)
		if err := json.Unmarshal(asked.Credentials, &keys[0]); err != nil {
			return map[string]any{"result": "error", "message": err.Error()}
		}
	}
	given := asked.Message
	message := Message{given.Method, given.Scheme, given.Version, given.Target + string(given.TargetBase64), given.Status, nil, given.BodyBase64}
	if given.Body != "" {
		message.Body = []byte(given.Body)
	}
	for _, line := range given.Headers {
		value, ok := line[1].(string)
		if !ok {
			encoded, _ := line[1].(map[string]any)["base64"].(string)
			bytes, err := base64.StdEncoding.DecodeString(encoded)
			if err != nil {
				return map[string]any{"result": "error", "message": err.Error()}
			}
			value = string(bytes)
		}
		message.Headers = append(message.Headers, [2]string{fmt.Sprint(line[0]), value})
	}
	k := keys[0]
	credential := Credential{k.KeyID, k.Secret + string(k.SecretBase64), k.PrivateKey, k.Algorithm, k.Parts}
	more := asked.Options
	options := Options{asked.At, asked.Nonce, more.Expires, more.BodyDigest, asked.Inputs, more.Headers, more.Omit}
	signed, err := signer(message, credential, options)
	if err != nil {
		return map[string]any{"result": "error", "message": err.Error()}
	}
	sent := signed.Message
	placed := map[string]any{"kind": "request", "method": sent.Method, "scheme": sent.Scheme, "body_base64": sent.Body}
	if sent.Status != 0 {
		placed = map[string]any{"kind": "response", "status": sent.Status, "body_base64": sent.Body}
	}
	if sent.Target != "" {
		put(placed, "target", sent.Target)
	}
	headers := [][2]any{}
	for _, line := range sent.Headers {
		var value any = line[1]
		if !utf8.ValidString(line[1]) {
			value = map[string]any{"base64": []byte(line[1])}
		}
		headers = append(headers, [2]any{line[0], value})
	}
	placed["headers"] = headers
	stages := map[string]any{}
	for _, stage := range signed.Stages {
		put(stages, stage[0], stage[1])
	}
	return map[string]any{"result": "signed", "stages": stages, "signature": signed.Signature, "message": placed}
}

func answer(asked ask) map[string]any {
	switch asked.Op {
	case "hello":
		return map[string]any{"result": "hello", "version": 1, "name": "generated", "language": "go"}
	case "sign":
		return sign(asked)
	}
	return map[string]any{"result": "unsupported", "why": "these signers only sign"}
}

func main() {
	in := bufio.NewReader(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked ask
		result := map[string]any{"result": "error", "message": "the line is no JSON"}
		if json.Unmarshal(line, &asked) == nil {
			result = answer(asked)
		}
		result["id"] = asked.ID
		if out.Encode(result) != nil {
			return
		}
	}
}
