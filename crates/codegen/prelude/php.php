//: failure
private static function failure(string $words): \InvalidArgumentException
{
    return new \InvalidArgumentException($words);
}

//: openMessage
/** The message while it is signed: bytes, as on the wire. */
private static function openMessage(array $given): \stdClass
{
    return (object) [
        'method' => $given['method'] ?? '',
        'scheme' => $given['scheme'] ?? 'https',
        'version' => $given['version'] ?? 'HTTP/1.1',
        'status' => (string) ($given['status'] ?? ''),
        'target' => $given['target'] ?? '',
        'headers' => $given['headers'] ?? [],
        'body' => $given['body'] ?? '',
    ];
}

//: signedMessage
private static function signedMessage(\stdClass $message, string $signature, array $stages): array
{
    return [
        'target' => $message->target,
        'headers' => $message->headers,
        'body' => $message->body,
        'signature' => $signature,
        'stages' => $stages,
    ];
}

//: textOf
private static function textOf(?array $given, string $name): string
{
    return (string) ($given[$name] ?? '');
}

//: milliseconds
/** An instant as milliseconds since 1970: a number of them, a DateTimeInterface, or now. */
private static function milliseconds(\DateTimeInterface|int|null $at): int
{
    if ($at === null) {
        return (int) floor(microtime(true) * 1000);
    }
    return $at instanceof \DateTimeInterface ? $at->getTimestamp() * 1000 + (int) $at->format('v') : $at;
}

//: checkMessage
private static function checkMessage(\stdClass $message): void
{
    $token = '/^[A-Za-z0-9!#$%&\'*+.^_`|~-]+$/D';
    $wholeServer = $message->target === '*' && $message->method === 'OPTIONS';
    if ($message->method !== '' && !str_starts_with($message->target, '/') && !$wholeServer) {
        throw self::failure('the target is a path with its query, such as /orders?a=1');
    }
    if (preg_match('/[\x00-\x20\x7f#]/', $message->target)) {
        throw self::failure('the target holds a blank, a control character or a fragment');
    }
    if (preg_match('/%(?![0-9A-Fa-f]{2})/', $message->target)) {
        throw self::failure('the target holds a % that begins no triplet; write %25 for a bare %');
    }
    if ($message->method !== '' && !preg_match($token, $message->method)) {
        throw self::failure('the method is no token');
    }
    foreach ($message->headers as [$name, $value]) {
        if (!preg_match($token, $name) || preg_match('/[\x00-\x08\x0a-\x1f\x7f]/', $value)) {
            throw self::failure('a header\'s name is no token, or its value holds a control character');
        }
    }
    if (count(self::headerValues($message, 'host')) > 1) {
        throw self::failure('Host is there more than once');
    }
}

//: checkOmitted
private static function checkOmitted(array $options, array $known): void
{
    foreach ($options['omit'] ?? [] as $name) {
        if (!in_array($name, $known, true)) {
            throw self::failure('this dialect cannot leave out ' . $name);
        }
    }
}

//: derOf
/** The bytes between the lines of a PEM text. */
private static function derOf(string $pem): string
{
    return (string) base64_decode((string) preg_replace('/-----[A-Z ]+-----|\s/', '', $pem), true);
}

//: keyFamily
private static function keyFamily(array $credential): string
{
    if (self::textOf($credential, 'private_key') === '') {
        return 'hmac';
    }
    if (str_contains(self::derOf($credential['private_key']), "\x06\x03\x2b\x65\x70")) {
        return 'ed25519';
    }
    $key = openssl_pkey_get_private($credential['private_key']);
    $type = $key === false ? -1 : openssl_pkey_get_details($key)['type'];
    return match ($type) {
        OPENSSL_KEYTYPE_RSA => 'rsa',
        OPENSSL_KEYTYPE_EC => 'ec',
        default => '',
    };
}

//: familyOf
private static function familyOf(string $algorithm): string
{
    return preg_match('/^(rsa|ec|ed25519)/', $algorithm, $found) ? $found[0] : 'hmac';
}

//: chooseAlgorithm
/** The algorithm that the credential is registered for, else the dialect's first that fits its key. */
private static function chooseAlgorithm(array $credential, array $known): string
{
    $family = self::keyFamily($credential);
    $wanted = self::textOf($credential, 'algorithm');
    foreach ($known as $algorithm) {
        if (self::familyOf($algorithm) === $family && ($wanted === '' || $wanted === $algorithm)) {
            if ($family !== 'hmac' || self::textOf($credential, 'secret') !== '') {
                return $algorithm;
            }
        }
    }
    throw self::failure('the credential\'s key or algorithm does not fit the dialect');
}

//: mac
private static function mac(string $algorithm, string $key, string $text): string
{
    return str_starts_with($algorithm, 'hmac-') ? self::hmac(substr($algorithm, 5), $key, $text) : self::digest($algorithm, $text);
}

//: fixedWidth
/** An ECDSA signature as its two numbers of 32 bytes, from DER. */
private static function fixedWidth(string $der): string
{
    $at = 2;
    $numbers = '';
    for ($i = 0; $i < 2; $i += 1) {
        $length = ord($der[$at + 1]);
        $numbers .= str_pad(ltrim(substr($der, $at + 2, $length), "\0"), 32, "\0", STR_PAD_LEFT);
        $at += 2 + $length;
    }
    return $numbers;
}

//: signWithPrivateKey
private static function signWithPrivateKey(string $algorithm, string $pem, string $text): string
{
    if ($algorithm === 'ed25519') {
        $der = self::derOf($pem);
        $at = strpos($der, "\x04\x22\x04\x20");
        if ($at === false) {
            throw self::failure('the private key is no Ed25519 key in PKCS#8');
        }
        $pair = sodium_crypto_sign_seed_keypair(substr($der, $at + 4, 32));
        return sodium_crypto_sign_detached($text, sodium_crypto_sign_secretkey($pair));
    }
    if (!openssl_sign($text, $signature, $pem, OPENSSL_ALGO_SHA256)) {
        throw self::failure('the private key cannot sign');
    }
    return $algorithm === 'ecdsa-p256-sha256' ? self::fixedWidth($signature) : $signature;
}

//: freshNonce
private static function freshNonce(): string
{
    return bin2hex(random_bytes(16));
}

//: headerValues
private static function headerValues(\stdClass $message, string $name): array
{
    $values = [];
    foreach ($message->headers as [$line, $value]) {
        if (self::lower($line) === self::lower($name)) {
            $values[] = self::trim($value);
        }
    }
    return $values;
}

//: header
private static function header(\stdClass $message, string $name): string
{
    return self::firstOf(self::headerValues($message, $name));
}

//: firstOf
private static function firstOf(array $values): string
{
    return $values[0] ?? '';
}

//: hasHeader
private static function hasHeader(\stdClass $message, string $name): bool
{
    return self::headerValues($message, $name) !== [];
}

//: pathOf
private static function pathOf(\stdClass $message): string
{
    $path = explode('?', $message->target, 2)[0];
    return $path === '' ? '/' : $path;
}

//: queryOf
private static function queryOf(\stdClass $message): string
{
    return explode('?', $message->target, 2)[1] ?? '';
}

//: formOf
private static function formOf(\stdClass $message): string
{
    return self::isForm($message) ? $message->body : '';
}

//: isForm
private static function isForm(\stdClass $message): bool
{
    return self::mediaType(self::header($message, 'content-type')) === 'application/x-www-form-urlencoded';
}

//: mediaType
private static function mediaType(string $value): string
{
    return self::lower(self::trim(explode(';', $value)[0]));
}

//: splitPort
private static function splitPort(string $authority): array
{
    $colon = strrpos($authority, ':');
    $bracket = strrpos($authority, ']');
    if ($colon === false || ($bracket !== false && $colon < $bracket)) {
        return [$authority, null];
    }
    return [substr($authority, 0, $colon), substr($authority, $colon + 1)];
}

//: hostname
private static function hostname(\stdClass $message): string
{
    return self::splitPort(self::header($message, 'host'))[0];
}

//: defaultPort
private static function defaultPort(\stdClass $message): string
{
    return $message->scheme === 'http' ? '80' : '443';
}

//: port
private static function port(\stdClass $message): string
{
    return self::splitPort(self::header($message, 'host'))[1] ?? self::defaultPort($message);
}

//: authority
/** The Host header in lower case, without the scheme's default port. */
private static function authority(\stdClass $message): string
{
    [$name, $port] = self::splitPort(self::header($message, 'host'));
    $kept = $port !== null && $port !== '' && $port !== self::defaultPort($message);
    return self::lower($name) . ($kept ? ':' . $port : '');
}

//: splitPair
private static function splitPair(string $fragment): array
{
    return [...explode('=', $fragment, 2), ''];
}

//: splitPairs
private static function splitPairs(string $text): array
{
    $fragments = array_filter(explode('&', $text), fn (string $fragment): bool => $fragment !== '');
    return array_map(self::splitPair(...), array_values($fragments));
}

//: queryValue
private static function queryValue(\stdClass $message, string $name): string
{
    foreach (self::splitPairs(self::queryOf($message)) as [$raw, $value]) {
        if (self::decode($raw) === $name) {
            return self::decode($value);
        }
    }
    return '';
}

//: formValue
private static function formValue(\stdClass $message, string $name): string
{
    foreach (self::splitPairs(self::formOf($message)) as [$raw, $value]) {
        if (self::decodeForm($raw) === $name) {
            return self::decodeForm($value);
        }
    }
    return '';
}

//: lower
private static function lower(string $text): string
{
    return strtr($text, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz');
}

//: upper
private static function upper(string $text): string
{
    return strtr($text, 'abcdefghijklmnopqrstuvwxyz', 'ABCDEFGHIJKLMNOPQRSTUVWXYZ');
}

//: trim
private static function trim(string $text): string
{
    return \trim($text, " \t");
}

//: squeeze
/** Without outer blanks, and with one space for each inner run of them. */
private static function squeeze(string $text): string
{
    return self::trim((string) preg_replace('/[ \t]+/', ' ', $text));
}

//: percent
/** Everything but the unreserved characters of RFC 3986. */
private static function percent(string $text): string
{
    return rawurlencode($text);
}

//: percentPath
private static function percentPath(string $text): string
{
    return str_replace('%2F', '/', rawurlencode($text));
}

//: decode
private static function decode(string $text): string
{
    return rawurldecode($text);
}

//: decodeForm
private static function decodeForm(string $text): string
{
    return rawurldecode(str_replace('+', ' ', $text));
}

//: normalizePath
/** Without dot segments and doubled slashes; a closing slash stays. */
private static function normalizePath(string $path): string
{
    $kept = [];
    foreach (explode('/', $path) as $segment) {
        if ($segment === '..') {
            array_pop($kept);
        } elseif ($segment !== '' && $segment !== '.') {
            $kept[] = $segment;
        }
    }
    $closed = $kept === [] || preg_match('~/\.{0,2}$~D', $path);
    $joined = implode('', array_map(fn (string $segment): string => '/' . $segment, $kept));
    return $joined . ($closed ? '/' : '');
}

//: closingSlash
private static function closingSlash(string $text): string
{
    return str_ends_with($text, '/') ? $text : $text . '/';
}

//: digest
private static function digest(string $name, string $text): string
{
    return hash($name, $text, true);
}

//: hmac
private static function hmac(string $name, string $key, string $text): string
{
    return hash_hmac($name, $text, $key, true);
}

//: hex
private static function hex(string $text): string
{
    return bin2hex($text);
}

//: base64
private static function base64(string $text): string
{
    return base64_encode($text);
}

//: base64url
private static function base64url(string $text): string
{
    return strtr(base64_encode($text), '+/', '-_');
}

//: fromHex
private static function fromHex(string $text): string
{
    if (!preg_match('/^([0-9A-Fa-f]{2})*$/D', $text)) {
        throw self::failure('a value that should be hexadecimal is not');
    }
    return (string) hex2bin($text);
}

//: fromBase64
private static function fromBase64(string $text): string
{
    $bare = rtrim($text, '=');
    $decoded = base64_decode($bare, true);
    if ($decoded === false || rtrim(base64_encode($decoded), '=') !== $bare) {
        throw self::failure('a value that should be base64 is not');
    }
    return $decoded;
}

//: without
private static function without(string $text, string $prefix): string
{
    return str_starts_with($text, $prefix) ? substr($text, strlen($prefix)) : $text;
}

//: first
private static function first(string $text, int $count): string
{
    return substr($text, 0, $count);
}

//: chooseHeaders
/** The headers that the dialect signs among those that are there; a star behind stands for any ending. */
private static function chooseHeaders(\stdClass $message, array $sign, array $pseudo, array $never): array
{
    $chosen = [];
    foreach ($sign as $pattern) {
        if (in_array(self::lower($pattern), $pseudo, true)) {
            $chosen[] = $pattern;
            continue;
        }
        $prefix = str_ends_with($pattern, '*') ? self::lower(substr($pattern, 0, -1)) : null;
        foreach ($message->headers as [$line]) {
            $name = self::lower($line);
            $fits = $prefix === null ? $name === self::lower($pattern) : str_starts_with($name, $prefix);
            $there = in_array($name, array_map(self::lower(...), $chosen), true);
            if ($fits && !$there && !in_array($name, $never, true)) {
                $chosen[] = $prefix === null ? $pattern : $line;
            }
        }
    }
    return $chosen;
}

//: withoutNames
private static function withoutNames(array $names, array $never): array
{
    $kept = array_filter($names, fn (string $name): bool => !in_array(self::lower($name), $never, true));
    return array_values($kept);
}

//: joinedLists
private static function joinedLists(array $one, array $other): array
{
    return [...$one, ...$other];
}

//: contains
private static function contains(array $texts, string $text): bool
{
    return in_array($text, $texts, true);
}

//: sortedTexts
private static function sortedTexts(array $texts): array
{
    usort($texts, strcmp(...));
    return $texts;
}

//: sortedRows
private static function sortedRows(array $rows, int $behind): array
{
    usort($rows, function (array $a, array $b) use ($behind): int {
        for ($i = 0; $i < count($a) - $behind; $i += 1) {
            $order = strcmp($a[$i], $b[$i]);
            if ($order !== 0) {
                return $order;
            }
        }
        return 0;
    });
    return $rows;
}

//: sortedLines
/** The last text of each row, sorted by those before it. Equal ones stay in their order. */
private static function sortedLines(array $rows): array
{
    return array_map(fn (array $row): string => $row[count($row) - 1], self::sortedRows($rows, 1));
}

//: sortedPairs
/** The last two texts of each row, sorted by those before them. */
private static function sortedPairs(array $rows): array
{
    return array_map(fn (array $row): array => array_slice($row, -2), self::sortedRows($rows, 2));
}

//: merged
/** One pair for each name, its values joined in their order. */
private static function merged(array $pairs, string $joint): array
{
    $merged = [];
    foreach ($pairs as [$name, $value]) {
        $at = array_search($name, array_column($merged, 0), true);
        if ($at === false) {
            $merged[] = [$name, $value];
        } else {
            $merged[$at][1] .= $joint . $value;
        }
    }
    return $merged;
}

//: rows
private static function rows(array ...$pairs): array
{
    return $pairs;
}

//: join
private static function join(array $texts, string $joint): string
{
    return implode($joint, $texts);
}

//: unix
private static function unix(int $at): string
{
    return (string) intdiv($at, 1000);
}

//: unixMs
private static function unixMs(int $at): string
{
    return (string) $at;
}

//: httpDate
private static function httpDate(int $at): string
{
    return gmdate('D, d M Y H:i:s', intdiv($at, 1000)) . ' GMT';
}

//: formatTime
private static function formatTime(int $at, string $pattern): string
{
    $seconds = intdiv($at, 1000);
    $fields = ['YYYY' => 'Y', 'MM' => 'm', 'DD' => 'd', 'hh' => 'H', 'mm' => 'i', 'ss' => 's'];
    $texts = array_map(fn (string $field): string => gmdate($field, $seconds), $fields);
    $texts['SSS'] = sprintf('%03d', $at % 1000);
    return strtr($pattern, $texts);
}

//: carriable
/** What is carried is UTF-8 without control characters: a line end would be another header. */
private static function carriable(string $name, string $value): string
{
    if (preg_match('/[\x00-\x1f\x7f]|\xc2[\x80-\x9f]/', $value) || !preg_match('//u', $value)) {
        throw self::failure('the value of ' . $name . ' holds a control character or is no UTF-8');
    }
    return $value;
}

//: placeHeader
/** Replaces the header where it stands, or adds it behind the others. */
private static function placeHeader(\stdClass $message, string $name, string $value): void
{
    self::carriable($name, $value);
    $lines = [];
    $placed = false;
    foreach ($message->headers as $line) {
        if (self::lower($line[0]) !== self::lower($name)) {
            $lines[] = $line;
        } elseif (!$placed) {
            $lines[] = [$line[0], $value];
            $placed = true;
        }
    }
    $message->headers = $placed ? $lines : [...$lines, [$name, $value]];
}

//: setPair
/** The pairs with this one replaced where it stands, or added at the end. One that says the same stays as it is spelled. */
private static function setPair(string $text, string $name, string $value, \Closure $decoded): string
{
    $pair = self::percent($name) . '=' . self::percent($value);
    $fragments = [];
    $placed = false;
    foreach ($text === '' ? [] : explode('&', $text) as $fragment) {
        if ($fragment === '' || $decoded(self::splitPair($fragment)[0]) !== $name) {
            $fragments[] = $fragment;
        } elseif (!$placed) {
            $fragments[] = $decoded(self::splitPair($fragment)[1]) === $value ? $fragment : $pair;
            $placed = true;
        }
    }
    return implode('&', $placed ? $fragments : [...$fragments, $pair]);
}

//: placeQuery
private static function placeQuery(\stdClass $message, string $name, string $value): void
{
    $path = explode('?', $message->target, 2)[0];
    $query = self::setPair(self::queryOf($message), $name, self::carriable($name, $value), self::decode(...));
    $message->target = $path . '?' . $query;
}

//: setBody
/** The new body. Where it is longer or shorter, every Content-Length that is there says so. */
private static function setBody(\stdClass $message, string $body): void
{
    foreach ($message->headers as $i => $line) {
        if (strlen($body) !== strlen($message->body) && self::lower($line[0]) === 'content-length') {
            $message->headers[$i] = [$line[0], (string) strlen($body)];
        }
    }
    $message->body = $body;
}

//: placeForm
private static function placeForm(\stdClass $message, string $name, string $value): void
{
    if (!self::isForm($message)) {
        throw self::failure('what is carried rides in a form, and the content type is no form');
    }
    self::setBody($message, self::setPair($message->body, $name, self::carriable($name, $value), self::decodeForm(...)));
}

//: placeParams
/** Where it stands in the query; else in the form where there is one with a body, else in the query. */
private static function placeParams(\stdClass $message, string $name, string $value): void
{
    if (self::isForm($message) && $message->body !== '' && !self::hasQuery($message, $name)) {
        self::placeForm($message, $name, $value);
    } else {
        self::placeQuery($message, $name, $value);
    }
}

//: placeParamsAsForm
/** As `placeParams`, where the query is read as a form. */
private static function placeParamsAsForm(\stdClass $message, string $name, string $value): void
{
    if (self::isForm($message) && $message->body !== '' && !self::hasQueryAsForm($message, $name)) {
        self::placeForm($message, $name, $value);
    } else {
        $path = explode('?', $message->target, 2)[0];
        $query = self::setPair(self::queryOf($message), $name, self::carriable($name, $value), self::decodeForm(...));
        $message->target = $path . '?' . $query;
    }
}

//: fieldSpan
/** Where the value of a form field stands, its raw name as written. */
private static function fieldSpan(string $body, string $name): ?array
{
    $start = 0;
    foreach (explode('&', $body) as $fragment) {
        $end = $start + strlen($fragment);
        if (self::splitPair($fragment)[0] === $name) {
            return [min($start + strlen($name) + 1, $end), $end];
        }
        $start = $end + 1;
    }
    return null;
}

//: skipBlanks
private static function skipBlanks(string $body, int $at): int
{
    return $at + strspn($body, " \t\n\r", $at);
}

//: textEnd
/** The place of the quote that closes a JSON text whose opening quote was passed. */
private static function textEnd(string $body, int $at): int
{
    while ($at < strlen($body) && $body[$at] !== '"') {
        $at += $body[$at] === '\\' ? 2 : 1;
    }
    return $at < strlen($body) ? $at : -1;
}

//: memberSpan
/** Where the value of a top-level JSON member stands, between its quotes. Only the first such text counts. */
private static function memberSpan(string $body, string $name): ?array
{
    $opened = [];
    $mayBeName = false;
    $at = 0;
    while (true) {
        $at = self::skipBlanks($body, min($at, strlen($body)));
        $character = $body[$at] ?? '';
        $at += 1;
        if ($character === '') {
            return null;
        }
        if ($character === '{' || $character === '[') {
            if (count($opened) >= 128 || ($opened === [] && $character === '[')) {
                return null;
            }
            $opened[] = $character;
            $mayBeName = $character === '{';
        } elseif ($character === '}' || $character === ']') {
            array_pop($opened);
            $mayBeName = false;
            if ($opened === []) {
                return null;
            }
        } elseif ($character === ',') {
            $mayBeName = end($opened) === '{';
        } elseif ($character === '"') {
            $end = self::textEnd($body, $at);
            if ($end < 0) {
                return null;
            }
            $text = substr($body, $at, $end - $at);
            $at = $end + 1;
            if ($mayBeName && $text === $name && count($opened) === 1) {
                $colon = self::skipBlanks($body, min($at, strlen($body)));
                $quote = self::skipBlanks($body, min($colon + 1, strlen($body)));
                if (($body[$colon] ?? '') === ':' && ($body[$quote] ?? '') === '"') {
                    $close = self::textEnd($body, $quote + 1);
                    return $close < 0 ? null : [$quote + 1, $close];
                }
            }
            $mayBeName = false;
        }
    }
}

//: endOfObject
/** Where a further member of a JSON object can be written, and whether it is the first. */
private static function endOfObject(string $body): ?array
{
    $at = self::skipBlanks($body, 0);
    if (($body[$at] ?? '') !== '{') {
        return null;
    }
    $at += 1;
    $depth = 1;
    $isFirst = true;
    while (true) {
        $at = self::skipBlanks($body, min($at, strlen($body)));
        $character = $body[$at] ?? '';
        if ($character === '') {
            return null;
        }
        if ($character === '"') {
            $at = self::textEnd($body, $at + 1);
            if ($at < 0) {
                return null;
            }
        } elseif ($character === '{' || $character === '[') {
            $depth += 1;
        } elseif ($character === '}' || $character === ']') {
            $depth -= 1;
            if ($depth === 0) {
                return [$at, $isFirst];
            }
        }
        $at += 1;
        $isFirst = false;
    }
}

//: bodySpan
private static function bodySpan(\stdClass $message, string $name): ?array
{
    return self::isForm($message) ? self::fieldSpan($message->body, $name) : self::memberSpan($message->body, $name);
}

//: bodyWithout
/** The body with this value emptied and every other byte as it is. */
private static function bodyWithout(\stdClass $message, string $name): string
{
    $span = self::bodySpan($message, $name);
    return $span === null ? $message->body : substr($message->body, 0, $span[0]) . substr($message->body, $span[1]);
}

//: placeField
private static function placeField(\stdClass $message, string $name, string $value): void
{
    $body = $message->body;
    $encoded = self::percent(self::carriable($name, $value));
    $span = self::fieldSpan($body, $name);
    if ($span === null) {
        self::setBody($message, $body . ($body === '' ? '' : '&') . $name . '=' . $encoded);
    } else {
        $bare = $span[0] === $span[1] && ($span[0] === 0 || $body[$span[0] - 1] !== '=');
        self::setBody($message, substr($body, 0, $span[0]) . ($bare ? '=' : '') . $encoded . substr($body, $span[1]));
    }
}

//: placeJson
private static function placeJson(\stdClass $message, string $name, string $value): void
{
    self::carriable($name, $value);
    if (strpbrk($value, '"\\') !== false) {
        throw self::failure('the value of ' . $name . ' cannot stand in JSON as it is');
    }
    $body = $message->body;
    $span = self::memberSpan($body, $name);
    if ($span !== null) {
        self::setBody($message, substr($body, 0, $span[0]) . $value . substr($body, $span[1]));
        return;
    }
    $place = self::endOfObject($body);
    if ($place === null) {
        throw self::failure('what is carried rides in the body, and the body is neither a form nor a JSON object');
    }
    [$end, $isFirst] = $place;
    self::setBody($message, substr($body, 0, $end) . ($isFirst ? '' : ',') . '"' . $name . '":"' . $value . '"' . substr($body, $end));
}

//: placeBody
/** A field where the body is a form, else a member of a JSON object; only its value changes. */
private static function placeBody(\stdClass $message, string $name, string $value): void
{
    if (self::isForm($message)) {
        self::placeField($message, $name, $value);
    } else {
        self::placeJson($message, $name, $value);
    }
}

//: hasQuery
private static function hasQuery(\stdClass $message, string $name): bool
{
    foreach (self::splitPairs(self::queryOf($message)) as [$raw]) {
        if (self::decode($raw) === $name) {
            return true;
        }
    }
    return false;
}

//: hasQueryAsForm
private static function hasQueryAsForm(\stdClass $message, string $name): bool
{
    foreach (self::splitPairs(self::queryOf($message)) as [$raw]) {
        if (self::decodeForm($raw) === $name) {
            return true;
        }
    }
    return false;
}

//: hasForm
private static function hasForm(\stdClass $message, string $name): bool
{
    foreach (self::splitPairs(self::formOf($message)) as [$raw]) {
        if (self::decodeForm($raw) === $name) {
            return true;
        }
    }
    return false;
}

//: hasParams
private static function hasParams(\stdClass $message, string $name): bool
{
    return self::hasQuery($message, $name) || self::hasForm($message, $name);
}

//: hasParamsAsForm
private static function hasParamsAsForm(\stdClass $message, string $name): bool
{
    return self::hasQueryAsForm($message, $name) || self::hasForm($message, $name);
}

//: hasJson
private static function hasJson(\stdClass $message, string $name): bool
{
    return self::memberSpan($message->body, $name) !== null;
}

//: hasBody
private static function hasBody(\stdClass $message, string $name): bool
{
    return self::bodySpan($message, $name) !== null;
}
