//: failure
// failure is the panic of a helper; Sign turns it into its error.
type failure string

func (words failure) Error() string {
	return string(words)
}

//: work
// work is the message while it is signed: bytes, as on the wire.
type work struct {
	method, scheme, version, status, target, body string
	headers                                       [][2]string
}

//: openMessage
//& work
//+ "strconv"
func openMessage(given Message) *work {
	message := &work{method: given.Method, scheme: given.Scheme, version: given.Version, target: given.Target, body: string(given.Body)}
	message.scheme = firstFilled(message.scheme, "https")
	message.version = firstFilled(message.version, "HTTP/1.1")
	message.status = strconv.Itoa(given.Status)
	message.headers = append(message.headers, given.Headers...)
	return message
}

//: firstFilled
func firstFilled(one, other string) string {
	return pick(one != "", one, other)
}

//: pick
func pick(first bool, one, other string) string {
	if first {
		return one
	}
	return other
}

//: checkMessage
//+ "strings"
func checkMessage(message *work) {
	wholeServer := message.target == "*" && message.method == "OPTIONS"
	if message.method != "" && !strings.HasPrefix(message.target, "/") && !wholeServer {
		panic(failure("the target is a path with its query, such as /orders?a=1"))
	}
	for _, c := range []byte(message.target) {
		if c <= ' ' || c == 0x7f || c == '#' {
			panic(failure("the target holds a blank, a control character or a fragment"))
		}
	}
	for _, behind := range strings.Split(message.target, "%")[1:] {
		if len(behind) < 2 || digit(behind[0]) < 0 || digit(behind[1]) < 0 {
			panic(failure("the target holds a % that begins no triplet; write %25 for a bare %"))
		}
	}
	if message.method != "" && !isToken(message.method) {
		panic(failure("the method is no token"))
	}
	for _, line := range message.headers {
		odd := func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }
		if !isToken(line[0]) || strings.IndexFunc(line[1], odd) >= 0 {
			panic(failure("a header's name is no token, or its value holds a control character"))
		}
	}
	if len(headerValues(message, "host")) > 1 {
		panic(failure("Host is there more than once"))
	}
}

//: isToken
//+ "strings"
func isToken(text string) bool {
	for _, c := range []byte(text) {
		if !isLetter(c) && strings.IndexByte("!#$%&'*+.^_`|~-", c) < 0 {
			return false
		}
	}
	return text != ""
}

//: isLetter
func isLetter(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
}

//: checkOmitted
func checkOmitted(options Options, known []string) {
	for _, name := range options.Omit {
		if !contains(known, name) {
			panic(failure("this dialect cannot leave out " + name))
		}
	}
}

//: privateKeyOf
//+ "crypto"
//+ "crypto/x509"
//+ "encoding/pem"
// privateKeyOf reads a private key of any kind: PEM, PKCS#8.
func privateKeyOf(text string) crypto.Signer {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		panic(failure("the private key is no PEM text"))
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		panic(failure("the private key is no PKCS#8: " + err.Error()))
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		panic(failure("the private key cannot sign"))
	}
	return signer
}

//: keyFamily
//+ "crypto/ecdsa"
//+ "crypto/ed25519"
//+ "crypto/rsa"
func keyFamily(credential Credential) string {
	if credential.PrivateKey == "" {
		return "hmac"
	}
	switch privateKeyOf(credential.PrivateKey).(type) {
	case *rsa.PrivateKey:
		return "rsa"
	case *ecdsa.PrivateKey:
		return "ec"
	case ed25519.PrivateKey:
		return "ed25519"
	}
	return ""
}

//: familyOf
//+ "strings"
func familyOf(algorithm string) string {
	for _, family := range []string{"rsa", "ec", "ed25519"} {
		if strings.HasPrefix(algorithm, family) {
			return family
		}
	}
	return "hmac"
}

//: chooseAlgorithm
// chooseAlgorithm takes the algorithm that the credential is registered for, else the dialect's first that fits its key.
func chooseAlgorithm(credential Credential, known []string) string {
	family := keyFamily(credential)
	for _, algorithm := range known {
		wanted := credential.Algorithm == "" || credential.Algorithm == algorithm
		there := family != "hmac" || credential.Secret != ""
		if wanted && there && familyOf(algorithm) == family {
			return algorithm
		}
	}
	panic(failure("the credential's key or algorithm does not fit the dialect"))
}

//: mac
//+ "strings"
func mac(algorithm, key, text string) string {
	if strings.HasPrefix(algorithm, "hmac-") {
		return hmac(algorithm[5:], key, text)
	}
	return digest(algorithm, text)
}

//: signWithPrivateKey
//+ "crypto"
//+ "crypto/ecdsa"
//+ "crypto/rand"
//+ "crypto/rsa"
//+ "crypto/sha256"
//+ "crypto/sha512"
func signWithPrivateKey(algorithm, pemText, text string) string {
	key := privateKeyOf(pemText)
	digested := sha256.Sum256([]byte(text))
	var signature []byte
	var err error
	switch algorithm {
	case "ed25519":
		signature, err = key.Sign(rand.Reader, []byte(text), crypto.Hash(0))
	case "rsa-pss-sha512":
		longer := sha512.Sum512([]byte(text))
		signature, err = key.Sign(rand.Reader, longer[:], &rsa.PSSOptions{SaltLength: 64, Hash: crypto.SHA512})
	case "ecdsa-p256-sha256":
		r, s, fault := ecdsa.Sign(rand.Reader, key.(*ecdsa.PrivateKey), digested[:])
		if err = fault; err == nil {
			signature = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
		}
	default:
		signature, err = key.Sign(rand.Reader, digested[:], crypto.SHA256)
	}
	if err != nil {
		panic(failure("the private key cannot sign: " + err.Error()))
	}
	return string(signature)
}

//: freshNonce
//+ "crypto/rand"
func freshNonce() string {
	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		panic(failure("there is no randomness: " + err.Error()))
	}
	return hex(string(random))
}

//: headerValues
func headerValues(message *work, name string) []string {
	var values []string
	for _, line := range message.headers {
		if lower(line[0]) == lower(name) {
			values = append(values, trim(line[1]))
		}
	}
	return values
}

//: header
func header(message *work, name string) string {
	return firstOf(headerValues(message, name))
}

//: firstOf
func firstOf(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

//: hasHeader
func hasHeader(message *work, name string) bool {
	return len(headerValues(message, name)) > 0
}

//: before
//+ "strings"
func before(text, mark string) string {
	part, _, _ := strings.Cut(text, mark)
	return part
}

//: behind
//+ "strings"
func behind(text, mark string) string {
	_, part, _ := strings.Cut(text, mark)
	return part
}

//: pathOf
func pathOf(message *work) string {
	return firstFilled(before(message.target, "?"), "/")
}

//: queryOf
func queryOf(message *work) string {
	return behind(message.target, "?")
}

//: formOf
func formOf(message *work) string {
	return pick(isForm(message), message.body, "")
}

//: isForm
func isForm(message *work) bool {
	return mediaType(header(message, "content-type")) == "application/x-www-form-urlencoded"
}

//: mediaType
func mediaType(value string) string {
	return lower(trim(before(value, ";")))
}

//: splitPort
//+ "strings"
// splitPort parts a host from its port; -1 stands for a port that is not written.
func splitPort(authority string) (string, int) {
	colon := strings.LastIndexByte(authority, ':')
	if colon < strings.LastIndexByte(authority, ']') {
		colon = -1
	}
	if colon < 0 {
		return authority, -1
	}
	return authority[:colon], colon + 1
}

//: hostname
func hostname(message *work) string {
	name, _ := splitPort(header(message, "host"))
	return name
}

//: defaultPort
func defaultPort(message *work) string {
	return pick(message.scheme == "http", "80", "443")
}

//: port
func port(message *work) string {
	host := header(message, "host")
	if _, at := splitPort(host); at >= 0 {
		return host[at:]
	}
	return defaultPort(message)
}

//: authority
// authority is the Host header in lower case, without the scheme's default port.
func authority(message *work) string {
	name, number := lower(hostname(message)), port(message)
	return pick(number == "" || number == defaultPort(message), name, name+":"+number)
}

//: splitPairs
//+ "strings"
func splitPairs(text string) [][]string {
	var pairs [][]string
	for _, fragment := range strings.Split(text, "&") {
		if fragment != "" {
			pairs = append(pairs, []string{before(fragment, "="), behind(fragment, "=")})
		}
	}
	return pairs
}

//: queryValue
func queryValue(message *work, name string) string {
	for _, pair := range splitPairs(queryOf(message)) {
		if decode(pair[0]) == name {
			return decode(pair[1])
		}
	}
	return ""
}

//: formValue
func formValue(message *work, name string) string {
	for _, pair := range splitPairs(formOf(message)) {
		if decodeForm(pair[0]) == name {
			return decodeForm(pair[1])
		}
	}
	return ""
}

//: lower
func lower(text string) string {
	out := []byte(text)
	for i, c := range out {
		if c >= 'A' && c <= 'Z' {
			out[i] = c + 32
		}
	}
	return string(out)
}

//: upper
func upper(text string) string {
	out := []byte(text)
	for i, c := range out {
		if c >= 'a' && c <= 'z' {
			out[i] = c - 32
		}
	}
	return string(out)
}

//: trim
//+ "strings"
func trim(text string) string {
	return strings.Trim(text, " \t")
}

//: squeeze
//+ "strings"
// squeeze removes outer blanks, and makes one space of each inner run of them.
func squeeze(text string) string {
	blank := func(c rune) bool { return c == ' ' || c == '\t' }
	return strings.Join(strings.FieldsFunc(text, blank), " ")
}

//: encoded
//+ "fmt"
//+ "strings"
func encoded(text, kept string) string {
	var out strings.Builder
	for _, c := range []byte(text) {
		if isLetter(c) || strings.IndexByte(kept, c) >= 0 {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, "%%%02X", c)
		}
	}
	return out.String()
}

//: percent
// percent encodes everything but the unreserved characters of RFC 3986.
func percent(text string) string {
	return encoded(text, "-._~")
}

//: percentPath
func percentPath(text string) string {
	return encoded(text, "-._~/")
}

//: decode
func decode(text string) string {
	var out []byte
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) && digit(text[i+1]) >= 0 && digit(text[i+2]) >= 0 {
			out = append(out, byte(digit(text[i+1])<<4|digit(text[i+2])))
			i += 2
		} else {
			out = append(out, text[i])
		}
	}
	return string(out)
}

//: digit
//+ "strings"
func digit(c byte) int {
	return strings.IndexByte("0123456789abcdef", lower(string([]byte{c}))[0])
}

//: decodeForm
//+ "strings"
func decodeForm(text string) string {
	return decode(strings.ReplaceAll(text, "+", " "))
}

//: normalizePath
//+ "strings"
// normalizePath removes dot segments and doubled slashes; a closing slash stays.
func normalizePath(path string) string {
	var kept []string
	for _, segment := range strings.Split(path, "/") {
		switch {
		case segment == "..":
			if len(kept) > 0 {
				kept = kept[:len(kept)-1]
			}
		case segment != "" && segment != ".":
			kept = append(kept, "/"+segment)
		}
	}
	closed := len(kept) == 0 || strings.HasSuffix(path, "/") || strings.HasSuffix(path, "/.") || strings.HasSuffix(path, "/..")
	return strings.Join(kept, "") + pick(closed, "/", "")
}

//: closingSlash
//+ "strings"
func closingSlash(text string) string {
	return pick(strings.HasSuffix(text, "/"), text, text+"/")
}

//: newHash
//+ "crypto/md5" //? md5
//+ "crypto/sha1" //? sha1
//+ "crypto/sha256" //? sha256
//+ "crypto/sha512" //? sha384 sha512
//+ "hash"
func newHash(name string) func() hash.Hash {
	switch name {
	case "md5": //? md5
		return md5.New //? md5
	case "sha1": //? sha1
		return sha1.New //? sha1
	case "sha256": //? sha256
		return sha256.New //? sha256
	case "sha384": //? sha384
		return sha512.New384 //? sha384
	case "sha512": //? sha512
		return sha512.New //? sha512
	}
	panic(failure("there is no digest " + name))
}

//: digest
func digest(name, text string) string {
	running := newHash(name)()
	running.Write([]byte(text))
	return string(running.Sum(nil))
}

//: hmac
//+ stdhmac "crypto/hmac"
func hmac(name, key, text string) string {
	running := stdhmac.New(newHash(name), []byte(key))
	running.Write([]byte(text))
	return string(running.Sum(nil))
}

//: hex
//+ stdhex "encoding/hex"
func hex(text string) string {
	return stdhex.EncodeToString([]byte(text))
}

//: base64
//+ stdbase64 "encoding/base64"
func base64(text string) string {
	return stdbase64.StdEncoding.EncodeToString([]byte(text))
}

//: base64url
//+ stdbase64 "encoding/base64"
func base64url(text string) string {
	return stdbase64.URLEncoding.EncodeToString([]byte(text))
}

//: fromHex
//+ stdhex "encoding/hex"
func fromHex(text string) string {
	decoded, err := stdhex.DecodeString(text)
	if err != nil {
		panic(failure("a value that should be hexadecimal is not"))
	}
	return string(decoded)
}

//: fromBase64
//+ stdbase64 "encoding/base64"
//+ "strings"
func fromBase64(text string) string {
	bare := strings.TrimRight(text, "=")
	decoded, err := stdbase64.RawStdEncoding.Strict().DecodeString(bare)
	if err != nil || strings.ContainsAny(bare, "\r\n") {
		panic(failure("a value that should be base64 is not"))
	}
	return string(decoded)
}

//: without
//+ "strings"
func without(text, prefix string) string {
	return strings.TrimPrefix(text, prefix)
}

//: first
func first(text string, count int64) string {
	if int64(len(text)) <= count {
		return text
	}
	return text[:count]
}

//: chooseHeaders
//+ "strings"
// chooseHeaders are the headers that the dialect signs among those that are there; a star behind stands for any ending.
func chooseHeaders(message *work, sign, pseudo, never []string) []string {
	var chosen, seen []string
	for _, pattern := range sign {
		if contains(pseudo, lower(pattern)) {
			chosen = append(chosen, pattern)
			continue
		}
		prefix := strings.TrimSuffix(lower(pattern), "*")
		open := strings.HasSuffix(pattern, "*")
		for _, line := range message.headers {
			name := lower(line[0])
			fits := name == prefix || open && strings.HasPrefix(name, prefix)
			if fits && !contains(never, name) && !contains(seen, name) {
				chosen = append(chosen, pick(open, line[0], pattern))
				seen = append(seen, name)
			}
		}
	}
	return chosen
}

//: withoutNames
func withoutNames(names, never []string) []string {
	var kept []string
	for _, name := range names {
		if !contains(never, lower(name)) {
			kept = append(kept, name)
		}
	}
	return kept
}

//: joinedLists
func joinedLists(one, other []string) []string {
	return append(append([]string{}, one...), other...)
}

//: contains
func contains(texts []string, text string) bool {
	for _, there := range texts {
		if there == text {
			return true
		}
	}
	return false
}

//: sortedTexts
//+ "sort"
func sortedTexts(texts []string) []string {
	sorted := append([]string{}, texts...)
	sort.Strings(sorted)
	return sorted
}

//: sortRows
//+ "sort"
func sortRows(rows [][]string, behind int) {
	sort.SliceStable(rows, func(a, b int) bool {
		for i := 0; i < len(rows[a])-behind; i++ {
			if rows[a][i] != rows[b][i] {
				return rows[a][i] < rows[b][i]
			}
		}
		return false
	})
}

//: sortedLines
// sortedLines are the last texts of the rows, sorted by those before them. Equal ones stay in their order.
func sortedLines(rows [][]string) []string {
	sortRows(rows, 1)
	var lines []string
	for _, row := range rows {
		lines = append(lines, row[len(row)-1])
	}
	return lines
}

//: sortedPairs
// sortedPairs are the last two texts of each row, sorted by those before them.
func sortedPairs(rows [][]string) [][]string {
	sortRows(rows, 2)
	var pairs [][]string
	for _, row := range rows {
		pairs = append(pairs, row[len(row)-2:])
	}
	return pairs
}

//: merged
// merged is one pair for each name, its values joined in their order.
func merged(pairs [][]string, joint string) [][]string {
	var all [][]string
	places := map[string]int{}
	for _, pair := range pairs {
		if place, there := places[pair[0]]; there {
			all[place][1] += joint + pair[1]
		} else {
			places[pair[0]] = len(all)
			all = append(all, []string{pair[0], pair[1]})
		}
	}
	return all
}

//: rows
func rows(pairs ...[]string) [][]string {
	return pairs
}

//: join
//+ "strings"
func join(texts []string, joint string) string {
	return strings.Join(texts, joint)
}

//: unix
//+ "strconv"
func unix(at int64) string {
	return strconv.FormatInt(at/1000, 10)
}

//: unixMs
//+ "strconv"
func unixMs(at int64) string {
	return strconv.FormatInt(at, 10)
}

//: httpDate
//+ "time"
func httpDate(at int64) string {
	return time.UnixMilli(at).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
}

//: formatTime
//+ "strings"
//+ "time"
func formatTime(at int64, pattern string) string {
	text := time.UnixMilli(at).UTC().Format("2006-01-02T15:04:05.000")
	fields := strings.NewReplacer("YYYY", text[:4], "SSS", text[20:], "MM", text[5:7], "DD", text[8:10], "hh", text[11:13],
		"mm", text[14:16], "ss", text[17:19])
	return fields.Replace(pattern)
}

//: carriable
//+ "strings"
//+ "unicode"
//+ "unicode/utf8"
// carriable holds that what is carried is UTF-8 without control characters: a line end would be another header.
func carriable(name, value string) string {
	if strings.IndexFunc(value, unicode.IsControl) >= 0 || !utf8.ValidString(value) {
		panic(failure("the value of " + name + " holds a control character or is no UTF-8"))
	}
	return value
}

//: placeHeader
// placeHeader replaces the header where it stands, or adds it behind the others.
func placeHeader(message *work, name, value string) {
	carriable(name, value)
	var lines [][2]string
	placed := false
	for _, line := range message.headers {
		if lower(line[0]) != lower(name) {
			lines = append(lines, line)
		} else if !placed {
			lines = append(lines, [2]string{line[0], value})
			placed = true
		}
	}
	if !placed {
		lines = append(lines, [2]string{name, value})
	}
	message.headers = lines
}

//: setPair
//+ "strings"
// setPair gives the pairs with this one replaced where it stands, or added at the end. One that says the same stays as it is spelled.
func setPair(text, name, value string, decoded func(string) string) string {
	pair := percent(name) + "=" + percent(value)
	if text == "" {
		return pair
	}
	var fragments []string
	placed := false
	for _, fragment := range strings.Split(text, "&") {
		if fragment == "" || decoded(before(fragment, "=")) != name {
			fragments = append(fragments, fragment)
		} else if !placed {
			if _, there, _ := strings.Cut(fragment, "="); decoded(there) == value {
				fragments = append(fragments, fragment)
			} else {
				fragments = append(fragments, pair)
			}
			placed = true
		}
	}
	if !placed {
		fragments = append(fragments, pair)
	}
	return strings.Join(fragments, "&")
}

//: placeQuery
//& decode
func placeQuery(message *work, name, value string) {
	query := setPair(queryOf(message), name, carriable(name, value), decode)
	message.target = before(message.target, "?") + "?" + query
}

//: setBody
//+ "strconv"
// setBody puts the new body. Where it is longer or shorter, every Content-Length that is there says so.
func setBody(message *work, body string) {
	var lines [][2]string
	for _, line := range message.headers {
		if len(body) != len(message.body) && lower(line[0]) == "content-length" {
			line[1] = strconv.Itoa(len(body))
		}
		lines = append(lines, line)
	}
	message.headers, message.body = lines, body
}

//: placeForm
//& decodeForm
func placeForm(message *work, name, value string) {
	if !isForm(message) {
		panic(failure("what is carried rides in a form, and the content type is no form"))
	}
	setBody(message, setPair(message.body, name, carriable(name, value), decodeForm))
}

//: placeParams
// placeParams writes where it stands in the query; else to the form where there is one with a body, else to the query.
func placeParams(message *work, name, value string) {
	if isForm(message) && message.body != "" && !hasQuery(message, name) {
		placeForm(message, name, value)
	} else {
		placeQuery(message, name, value)
	}
}

//: placeParamsAsForm
//& decodeForm
// placeParamsAsForm is placeParams where the query is read as a form.
func placeParamsAsForm(message *work, name, value string) {
	if isForm(message) && message.body != "" && !hasQueryAsForm(message, name) {
		placeForm(message, name, value)
	} else {
		query := setPair(queryOf(message), name, carriable(name, value), decodeForm)
		message.target = before(message.target, "?") + "?" + query
	}
}

//: fieldSpan
//+ "strings"
// fieldSpan is where the value of a form field stands, its raw name as written.
func fieldSpan(body, name string) (int, int, bool) {
	start := 0
	for _, fragment := range strings.Split(body, "&") {
		end := start + len(fragment)
		if before(fragment, "=") == name {
			value := start + len(name) + 1
			if value > end {
				value = end
			}
			return value, end, true
		}
		start = end + 1
	}
	return 0, 0, false
}

//: skipBlanks
//+ "strings"
func skipBlanks(body string, at int) int {
	for at < len(body) && strings.IndexByte(" \t\n\r", body[at]) >= 0 {
		at++
	}
	return at
}

//: textEnd
// textEnd is the place of the quote that closes a JSON text whose opening quote was passed, or -1.
func textEnd(body string, at int) int {
	for at < len(body) && body[at] != '"' {
		if body[at] == '\\' {
			at++
		}
		at++
	}
	if at < len(body) {
		return at
	}
	return -1
}

//: byteAt
// byteAt is the byte at a place, and a zero behind the end.
func byteAt(body string, at int) byte {
	if at < len(body) {
		return body[at]
	}
	return 0
}

//: memberSpan
// memberSpan is where the value of a top-level JSON member stands, between its quotes. Only the first such text counts.
func memberSpan(body, name string) (int, int, bool) {
	var opened []byte
	mayBeName := false
	for at := 0; ; {
		at = skipBlanks(body, at)
		if at >= len(body) {
			return 0, 0, false
		}
		c := body[at]
		at++
		switch c {
		case '{', '[':
			if len(opened) >= 128 || len(opened) == 0 && c == '[' {
				return 0, 0, false
			}
			opened = append(opened, c)
			mayBeName = c == '{'
		case '}', ']':
			if len(opened) <= 1 {
				return 0, 0, false
			}
			opened = opened[:len(opened)-1]
			mayBeName = false
		case ',':
			mayBeName = len(opened) > 0 && opened[len(opened)-1] == '{'
		case '"':
			end := textEnd(body, at)
			if end < 0 {
				return 0, 0, false
			}
			text := body[at:end]
			at = end + 1
			if mayBeName && text == name && len(opened) == 1 {
				colon := skipBlanks(body, at)
				quote := skipBlanks(body, colon+1)
				if byteAt(body, colon) == ':' && byteAt(body, quote) == '"' {
					closing := textEnd(body, quote+1)
					return quote + 1, closing, closing >= 0
				}
			}
			mayBeName = false
		}
	}
}

//: endOfObject
// endOfObject is where a further member of a JSON object can be written, and whether it is the first.
func endOfObject(body string) (place int, isFirst, there bool) {
	at := skipBlanks(body, 0)
	if byteAt(body, at) != '{' {
		return 0, false, false
	}
	depth := 1
	isFirst = true
	for at++; ; at++ {
		at = skipBlanks(body, at)
		switch byteAt(body, at) {
		case 0:
			return 0, false, false
		case '"':
			if at = textEnd(body, at+1); at < 0 {
				return 0, false, false
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return at, isFirst, true
			}
		}
		isFirst = false
	}
}

//: bodySpan
func bodySpan(message *work, name string) (int, int, bool) {
	if isForm(message) {
		return fieldSpan(message.body, name)
	}
	return memberSpan(message.body, name)
}

//: bodyWithout
// bodyWithout is the body with this value emptied and every other byte as it is.
func bodyWithout(message *work, name string) string {
	start, end, there := bodySpan(message, name)
	if !there {
		return message.body
	}
	return message.body[:start] + message.body[end:]
}

//: placeField
func placeField(message *work, name, value string) {
	body, escaped := message.body, percent(carriable(name, value))
	start, end, there := fieldSpan(body, name)
	if !there {
		setBody(message, body + pick(body == "", "", "&") + name + "=" + escaped)
		return
	}
	bare := start == end && (start == 0 || body[start-1] != '=')
	setBody(message, body[:start] + pick(bare, "=", "") + escaped + body[end:])
}

//: placeJson
//+ "strings"
func placeJson(message *work, name, value string) {
	carriable(name, value)
	if strings.ContainsAny(value, "\"\\") {
		panic(failure("the value of " + name + " cannot stand in JSON as it is"))
	}
	body := message.body
	if start, end, there := memberSpan(body, name); there {
		setBody(message, body[:start] + value + body[end:])
		return
	}
	end, isFirst, there := endOfObject(body)
	if !there {
		panic(failure("what is carried rides in the body, and the body is neither a form nor a JSON object"))
	}
	setBody(message, body[:end] + pick(isFirst, "", ",") + "\"" + name + "\":\"" + value + "\"" + body[end:])
}

//: placeBody
// placeBody writes a field where the body is a form, else a member of a JSON object; only its value changes.
func placeBody(message *work, name, value string) {
	if isForm(message) {
		placeField(message, name, value)
	} else {
		placeJson(message, name, value)
	}
}

//: hasQuery
func hasQuery(message *work, name string) bool {
	for _, pair := range splitPairs(queryOf(message)) {
		if decode(pair[0]) == name {
			return true
		}
	}
	return false
}

//: hasQueryAsForm
func hasQueryAsForm(message *work, name string) bool {
	for _, pair := range splitPairs(queryOf(message)) {
		if decodeForm(pair[0]) == name {
			return true
		}
	}
	return false
}

//: hasForm
func hasForm(message *work, name string) bool {
	for _, pair := range splitPairs(formOf(message)) {
		if decodeForm(pair[0]) == name {
			return true
		}
	}
	return false
}

//: hasParams
func hasParams(message *work, name string) bool {
	return hasQuery(message, name) || hasForm(message, name)
}

//: hasParamsAsForm
func hasParamsAsForm(message *work, name string) bool {
	return hasQueryAsForm(message, name) || hasForm(message, name)
}

//: hasJson
func hasJson(message *work, name string) bool {
	_, _, there := memberSpan(message.body, name)
	return there
}

//: hasBody
func hasBody(message *work, name string) bool {
	_, _, there := bodySpan(message, name)
	return there
}
