//: failure
private static IllegalArgumentException failure(String words) {
    return new IllegalArgumentException(words);
}

//: textOf
/** A text as one character for each of its bytes in UTF-8. */
private static String textOf(String given) {
    return given == null ? "" : textOf(given.getBytes(StandardCharsets.UTF_8));
}

private static String textOf(byte[] given) {
    return given == null ? "" : new String(given, StandardCharsets.ISO_8859_1);
}

//: bytes
private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.ISO_8859_1);
}

//: pick
private static String pick(boolean first, String one, String other) {
    return first ? one : other;
}

//: firstFilled
private static String firstFilled(String one, String other) {
    return one.isEmpty() ? other : one;
}

//: row
private static String[] row(String... texts) {
    return texts;
}

//: checkMessage
private static void checkMessage(Work message) {
    String token = "[A-Za-z0-9!#$%&'*+.^_`|~-]+";
    boolean wholeServer = message.target.equals("*") && message.method.equals("OPTIONS");
    if (!message.method.isEmpty() && !message.target.startsWith("/") && !wholeServer) {
        throw failure("the target is a path with its query, such as /orders?a=1");
    }
    if (message.target.chars().anyMatch(c -> c <= ' ' || c == 0x7f || c == '#' || c > 0xff)) {
        throw failure("the target holds a blank, a control character or a fragment");
    }
    if (message.target.matches(".*%(?![0-9A-Fa-f]{2}).*")) {
        throw failure("the target holds a % that begins no triplet; write %25 for a bare %");
    }
    if (!message.method.isEmpty() && !message.method.matches(token)) {
        throw failure("the method is no token");
    }
    for (String[] line : message.headers) {
        boolean odd = line[1].chars().anyMatch(c -> c < ' ' && c != '\t' || c == 0x7f || c > 0xff);
        if (!line[0].matches(token) || odd) {
            throw failure("a header's name is no token, or its value holds a control character");
        }
    }
    if (headerValues(message, "host").size() > 1) {
        throw failure("Host is there more than once");
    }
}

//: checkOmitted
private static void checkOmitted(Options options, List<String> known) {
    for (String name : options.omit) {
        if (!known.contains(name)) {
            throw failure("this dialect cannot leave out " + name);
        }
    }
}

//: privateKey
//+ java.security.KeyFactory
//+ java.security.PrivateKey
//+ java.security.spec.InvalidKeySpecException
//+ java.security.spec.PKCS8EncodedKeySpec
//+ java.security.NoSuchAlgorithmException
//+ java.util.Base64
/** A private key of any kind: PEM, PKCS#8. */
private static PrivateKey privateKey(String pem) {
    byte[] der = Base64.getMimeDecoder().decode(pem.replaceAll("-----[A-Z ]+-----", ""));
    for (String kind : List.of("RSA", "EC", "Ed25519")) {
        try {
            return KeyFactory.getInstance(kind).generatePrivate(new PKCS8EncodedKeySpec(der));
        } catch (InvalidKeySpecException | NoSuchAlgorithmException another) {
            continue;
        }
    }
    throw failure("the private key is none of RSA, EC, Ed25519 in PKCS#8");
}

//: keyFamily
private static String keyFamily(Credential credential) {
    if (credential.privateKey == null) {
        return "hmac";
    }
    String kind = privateKey(credential.privateKey).getAlgorithm();
    return kind.equals("EdDSA") ? "ed25519" : lower(kind);
}

//: familyOf
private static String familyOf(String algorithm) {
    for (String family : List.of("rsa", "ec", "ed25519")) {
        if (algorithm.startsWith(family)) {
            return family;
        }
    }
    return "hmac";
}

//: chooseAlgorithm
/** The algorithm that the credential is registered for, else the dialect's first that fits its key. */
private static String chooseAlgorithm(Credential credential, List<String> known) {
    String family = keyFamily(credential);
    for (String algorithm : known) {
        boolean wanted = credential.algorithm == null || credential.algorithm.equals(algorithm);
        boolean there = !family.equals("hmac") || !textOf(credential.secret).isEmpty();
        if (wanted && there && familyOf(algorithm).equals(family)) {
            return algorithm;
        }
    }
    throw failure("the credential's key or algorithm does not fit the dialect");
}

//: mac
private static String mac(String algorithm, String key, String text) {
    return algorithm.startsWith("hmac-") ? hmac(algorithm.substring(5), key, text) : digest(algorithm, text);
}

//: signWithPrivateKey
//+ java.security.GeneralSecurityException
//+ java.security.Signature
//+ java.security.spec.MGF1ParameterSpec
//+ java.security.spec.PSSParameterSpec
private static String signWithPrivateKey(String algorithm, String pem, String text) {
    try {
        Signature signer;
        switch (algorithm) {
            case "rsa-sha256":
                signer = Signature.getInstance("SHA256withRSA");
                break;
            case "rsa-pss-sha512":
                signer = Signature.getInstance("RSASSA-PSS");
                signer.setParameter(new PSSParameterSpec("SHA-512", "MGF1", MGF1ParameterSpec.SHA512, 64, 1));
                break;
            case "ecdsa-p256-sha256":
                signer = Signature.getInstance("SHA256withECDSAinP1363Format");
                break;
            case "ecdsa-p256-sha256-der":
                signer = Signature.getInstance("SHA256withECDSA");
                break;
            default:
                signer = Signature.getInstance("Ed25519");
        }
        signer.initSign(privateKey(pem));
        signer.update(bytes(text));
        return textOf(signer.sign());
    } catch (GeneralSecurityException fault) {
        throw failure("the private key cannot sign: " + fault.getMessage());
    }
}

//: freshNonce
//+ java.security.SecureRandom
private static String freshNonce() {
    byte[] random = new byte[16];
    new SecureRandom().nextBytes(random);
    return hex(textOf(random));
}

//: headerValues
private static List<String> headerValues(Work message, String name) {
    List<String> values = new ArrayList<>();
    for (String[] line : message.headers) {
        if (lower(line[0]).equals(lower(name))) {
            values.add(trim(line[1]));
        }
    }
    return values;
}

//: header
private static String header(Work message, String name) {
    return firstOf(headerValues(message, name));
}

//: firstOf
private static String firstOf(List<String> values) {
    return values.isEmpty() ? "" : values.get(0);
}

//: hasHeader
private static boolean hasHeader(Work message, String name) {
    return !headerValues(message, name).isEmpty();
}

//: pathOf
private static String pathOf(Work message) {
    String path = before(message.target, '?');
    return path.isEmpty() ? "/" : path;
}

//: before
private static String before(String text, char mark) {
    int at = text.indexOf(mark);
    return at < 0 ? text : text.substring(0, at);
}

//: behind
private static String behind(String text, char mark) {
    int at = text.indexOf(mark);
    return at < 0 ? "" : text.substring(at + 1);
}

//: queryOf
private static String queryOf(Work message) {
    return behind(message.target, '?');
}

//: formOf
private static String formOf(Work message) {
    return isForm(message) ? message.body : "";
}

//: isForm
private static boolean isForm(Work message) {
    return mediaType(header(message, "content-type")).equals("application/x-www-form-urlencoded");
}

//: mediaType
private static String mediaType(String value) {
    return lower(trim(before(value, ';')));
}

//: portMark
/** The place of the colon before the port, or -1. */
private static int portMark(String authority) {
    int colon = authority.lastIndexOf(':');
    return colon < authority.lastIndexOf(']') ? -1 : colon;
}

//: hostname
private static String hostname(Work message) {
    String host = header(message, "host");
    return portMark(host) < 0 ? host : host.substring(0, portMark(host));
}

//: defaultPort
private static String defaultPort(Work message) {
    return message.scheme.equals("http") ? "80" : "443";
}

//: port
private static String port(Work message) {
    String host = header(message, "host");
    return portMark(host) < 0 ? defaultPort(message) : host.substring(portMark(host) + 1);
}

//: authority
/** The Host header in lower case, without the scheme's default port. */
private static String authority(Work message) {
    String port = port(message);
    boolean kept = !port.isEmpty() && !port.equals(defaultPort(message));
    return lower(hostname(message)) + (kept ? ":" + port : "");
}

//: splitPairs
private static List<String[]> splitPairs(String text) {
    List<String[]> pairs = new ArrayList<>();
    for (String fragment : text.split("&")) {
        if (!fragment.isEmpty()) {
            pairs.add(row(before(fragment, '='), behind(fragment, '=')));
        }
    }
    return pairs;
}

//: queryValue
private static String queryValue(Work message, String name) {
    for (String[] pair : splitPairs(queryOf(message))) {
        if (decode(pair[0]).equals(name)) {
            return decode(pair[1]);
        }
    }
    return "";
}

//: formValue
private static String formValue(Work message, String name) {
    for (String[] pair : splitPairs(formOf(message))) {
        if (decodeForm(pair[0]).equals(name)) {
            return decodeForm(pair[1]);
        }
    }
    return "";
}

//: lower
private static String lower(String text) {
    StringBuilder out = new StringBuilder(text);
    for (int i = 0; i < out.length(); i++) {
        char c = out.charAt(i);
        out.setCharAt(i, c >= 'A' && c <= 'Z' ? (char) (c + 32) : c);
    }
    return out.toString();
}

//: upper
private static String upper(String text) {
    StringBuilder out = new StringBuilder(text);
    for (int i = 0; i < out.length(); i++) {
        char c = out.charAt(i);
        out.setCharAt(i, c >= 'a' && c <= 'z' ? (char) (c - 32) : c);
    }
    return out.toString();
}

//: trim
private static String trim(String text) {
    int start = 0;
    int end = text.length();
    while (start < end && " \t".indexOf(text.charAt(start)) >= 0) {
        start++;
    }
    while (end > start && " \t".indexOf(text.charAt(end - 1)) >= 0) {
        end--;
    }
    return text.substring(start, end);
}

//: squeeze
/** Without outer blanks, and with one space for each inner run of them. */
private static String squeeze(String text) {
    return trim(text.replaceAll("[ \t]+", " "));
}

//: encoded
private static String encoded(String text, String kept) {
    StringBuilder out = new StringBuilder();
    for (char c : text.toCharArray()) {
        boolean letter = c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9';
        if (letter || kept.indexOf(c) >= 0) {
            out.append(c);
        } else {
            out.append(String.format("%%%02X", (int) c));
        }
    }
    return out.toString();
}

//: percent
/** Everything but the unreserved characters of RFC 3986. */
private static String percent(String text) {
    return encoded(text, "-._~");
}

//: percentPath
private static String percentPath(String text) {
    return encoded(text, "-._~/");
}

//: decode
private static String decode(String text) {
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < text.length(); i++) {
        boolean triplet = text.charAt(i) == '%' && text.length() > i + 2 && digit(text, i + 1) >= 0 && digit(text, i + 2) >= 0;
        if (triplet) {
            out.append((char) (digit(text, i + 1) * 16 + digit(text, i + 2)));
            i += 2;
        } else {
            out.append(text.charAt(i));
        }
    }
    return out.toString();
}

//: digit
private static int digit(String text, int at) {
    return text.charAt(at) > 0x7f ? -1 : Character.digit(text.charAt(at), 16);
}

//: decodeForm
private static String decodeForm(String text) {
    return decode(text.replace('+', ' '));
}

//: normalizePath
/** Without dot segments and doubled slashes; a closing slash stays. */
private static String normalizePath(String path) {
    List<String> kept = new ArrayList<>();
    for (String segment : path.split("/")) {
        if (segment.equals("..")) {
            if (!kept.isEmpty()) {
                kept.remove(kept.size() - 1);
            }
        } else if (!segment.isEmpty() && !segment.equals(".")) {
            kept.add(segment);
        }
    }
    boolean closed = kept.isEmpty() || path.endsWith("/") || path.endsWith("/.") || path.endsWith("/..");
    StringBuilder out = new StringBuilder();
    for (String segment : kept) {
        out.append('/').append(segment);
    }
    return out + (closed ? "/" : "");
}

//: closingSlash
private static String closingSlash(String text) {
    return text.endsWith("/") ? text : text + "/";
}

//: digest
//+ java.security.MessageDigest
//+ java.security.NoSuchAlgorithmException
private static String digest(String name, String text) {
    try {
        String known = name.startsWith("sha") ? "SHA-" + name.substring(3) : "MD5";
        return textOf(MessageDigest.getInstance(known).digest(bytes(text)));
    } catch (NoSuchAlgorithmException fault) {
        throw new IllegalStateException(fault);
    }
}

//: hmac
//+ java.security.Key
//+ java.security.GeneralSecurityException
//+ javax.crypto.Mac
private static String hmac(String name, String key, String text) {
    try {
        String known = "Hmac" + name.toUpperCase(java.util.Locale.ROOT);
        Mac mac = Mac.getInstance(known);
        mac.init(macKey(known, key));
        return textOf(mac.doFinal(bytes(text)));
    } catch (GeneralSecurityException fault) {
        throw new IllegalStateException(fault);
    }
}

//: macKey
//+ javax.crypto.spec.SecretKeySpec
/** An empty key is one of a single zero byte: HMAC pads with zeros. */
private static Key macKey(String name, String key) {
    return new SecretKeySpec(key.isEmpty() ? new byte[1] : bytes(key), name);
}

//: hex
private static String hex(String text) {
    StringBuilder out = new StringBuilder();
    for (char c : text.toCharArray()) {
        out.append(Character.forDigit(c >> 4, 16)).append(Character.forDigit(c & 15, 16));
    }
    return out.toString();
}

//: base64
//+ java.util.Base64
private static String base64(String text) {
    return textOf(Base64.getEncoder().encode(bytes(text)));
}

//: base64url
//+ java.util.Base64
private static String base64url(String text) {
    return textOf(Base64.getUrlEncoder().encode(bytes(text)));
}

//: fromHex
private static String fromHex(String text) {
    if (!text.matches("([0-9A-Fa-f]{2})*")) {
        throw failure("a value that should be hexadecimal is not");
    }
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < text.length(); i += 2) {
        out.append((char) Integer.parseInt(text.substring(i, i + 2), 16));
    }
    return out.toString();
}

//: fromBase64
//+ java.util.Base64
private static String fromBase64(String text) {
    String bare = text.replaceAll("=+$", "");
    try {
        byte[] decoded = Base64.getDecoder().decode(bare);
        if (Base64.getEncoder().withoutPadding().encodeToString(decoded).equals(bare)) {
            return textOf(decoded);
        }
    } catch (IllegalArgumentException fault) {
        // Said below.
    }
    throw failure("a value that should be base64 is not");
}

//: without
private static String without(String text, String prefix) {
    return text.startsWith(prefix) ? text.substring(prefix.length()) : text;
}

//: first
private static String first(String text, long count) {
    return text.substring(0, (int) Math.min(count, text.length()));
}

//: chooseHeaders
/** The headers that the dialect signs among those that are there; a star behind stands for any ending. */
private static List<String> chooseHeaders(Work message, List<String> sign, List<String> pseudo, List<String> never) {
    List<String> chosen = new ArrayList<>();
    for (String pattern : sign) {
        if (pseudo.contains(lower(pattern))) {
            chosen.add(pattern);
            continue;
        }
        boolean open = pattern.endsWith("*");
        String wanted = lower(open ? pattern.substring(0, pattern.length() - 1) : pattern);
        for (String[] line : message.headers) {
            String name = lower(line[0]);
            boolean fits = open ? name.startsWith(wanted) : name.equals(wanted);
            if (fits && !never.contains(name) && chosen.stream().noneMatch(there -> lower(there).equals(name))) {
                chosen.add(open ? line[0] : pattern);
            }
        }
    }
    return chosen;
}

//: withoutNames
private static List<String> withoutNames(List<String> names, List<String> never) {
    List<String> kept = new ArrayList<>(names);
    kept.removeIf(name -> never.contains(lower(name)));
    return kept;
}

//: joinedLists
private static List<String> joinedLists(List<String> one, List<String> other) {
    List<String> all = new ArrayList<>(one);
    all.addAll(other);
    return all;
}

//: contains
private static boolean contains(List<String> texts, String text) {
    return texts.contains(text);
}

//: sortedTexts
//+ java.util.Comparator
private static List<String> sortedTexts(List<String> texts) {
    List<String> sorted = new ArrayList<>(texts);
    sorted.sort(Comparator.naturalOrder());
    return sorted;
}

//: sortedRows
private static List<String[]> sortedRows(List<String[]> rows, int behind) {
    List<String[]> sorted = new ArrayList<>(rows);
    sorted.sort((a, b) -> {
        for (int i = 0; i < a.length - behind; i++) {
            int order = a[i].compareTo(b[i]);
            if (order != 0) {
                return order;
            }
        }
        return 0;
    });
    return sorted;
}

//: sortedLines
/** The last text of each row, sorted by those before it. Equal ones stay in their order. */
private static List<String> sortedLines(List<String[]> rows) {
    List<String> lines = new ArrayList<>();
    for (String[] row : sortedRows(rows, 1)) {
        lines.add(row[row.length - 1]);
    }
    return lines;
}

//: sortedPairs
/** The last two texts of each row, sorted by those before them. */
private static List<String[]> sortedPairs(List<String[]> rows) {
    List<String[]> pairs = new ArrayList<>();
    for (String[] row : sortedRows(rows, 2)) {
        pairs.add(row(row[row.length - 2], row[row.length - 1]));
    }
    return pairs;
}

//: merged
/** One pair for each name, its values joined in their order. */
private static List<String[]> merged(List<String[]> pairs, String joint) {
    Map<String, String> values = new LinkedHashMap<>();
    for (String[] pair : pairs) {
        values.merge(pair[0], pair[1], (one, other) -> one + joint + other);
    }
    List<String[]> merged = new ArrayList<>();
    values.forEach((name, value) -> merged.add(row(name, value)));
    return merged;
}

//: rows
private static List<String[]> rows(String[]... rows) {
    return List.of(rows);
}

//: join
private static String join(List<String> texts, String joint) {
    return String.join(joint, texts);
}

//: unix
private static String unix(long at) {
    return Long.toString(at / 1000);
}

//: unixMs
private static String unixMs(long at) {
    return Long.toString(at);
}

//: moment
//+ java.time.Instant
//+ java.time.OffsetDateTime
//+ java.time.ZoneOffset
private static OffsetDateTime moment(long at) {
    return Instant.ofEpochMilli(at).atOffset(ZoneOffset.UTC);
}

//: httpDate
//+ java.time.format.DateTimeFormatter
private static String httpDate(long at) {
    return DateTimeFormatter.ofPattern("EEE, dd MMM yyyy HH:mm:ss 'GMT'", java.util.Locale.ENGLISH).format(moment(at));
}

//: formatTime
private static String formatTime(long at, String pattern) {
    OffsetDateTime when = moment(at);
    return pattern
            .replace("YYYY", String.format("%04d", when.getYear()))
            .replace("SSS", String.format("%03d", when.getNano() / 1000000))
            .replace("MM", String.format("%02d", when.getMonthValue()))
            .replace("DD", String.format("%02d", when.getDayOfMonth()))
            .replace("hh", String.format("%02d", when.getHour()))
            .replace("mm", String.format("%02d", when.getMinute()))
            .replace("ss", String.format("%02d", when.getSecond()));
}

//: carriable
//+ java.nio.ByteBuffer
//+ java.nio.charset.CharacterCodingException
/** What is carried is UTF-8 without control characters: a line end would be another header. */
private static String carriable(String name, String value) {
    try {
        CharSequence text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes(value)));
        if (text.chars().noneMatch(Character::isISOControl)) {
            return value;
        }
    } catch (CharacterCodingException fault) {
        // Said below.
    }
    throw failure("the value of " + name + " holds a control character or is no UTF-8");
}

//: placeHeader
/** Replaces the header where it stands, or adds it behind the others. */
private static void placeHeader(Work message, String name, String value) {
    carriable(name, value);
    List<String[]> lines = new ArrayList<>();
    boolean placed = false;
    for (String[] line : message.headers) {
        if (!lower(line[0]).equals(lower(name))) {
            lines.add(line);
        } else if (!placed) {
            lines.add(row(line[0], value));
            placed = true;
        }
    }
    if (!placed) {
        lines.add(row(name, value));
    }
    message.headers = lines;
}

//: setPair
//+ java.util.function.UnaryOperator
/** The pairs with this one replaced where it stands, or added at the end. One that says the same stays as it is spelled. */
private static String setPair(String text, String name, String value, UnaryOperator<String> decoded) {
    String pair = percent(name) + "=" + percent(value);
    List<String> fragments = new ArrayList<>();
    boolean placed = false;
    for (String fragment : text.isEmpty() ? new String[0] : text.split("&", -1)) {
        if (fragment.isEmpty() || !decoded.apply(before(fragment, '=')).equals(name)) {
            fragments.add(fragment);
        } else if (!placed) {
            String there = fragment.substring(Math.min(fragment.length(), before(fragment, '=').length() + 1));
            fragments.add(decoded.apply(there).equals(value) ? fragment : pair);
            placed = true;
        }
    }
    if (!placed) {
        fragments.add(pair);
    }
    return String.join("&", fragments);
}

//: placeQuery
private static void placeQuery(Work message, String name, String value) {
    String query = setPair(queryOf(message), name, carriable(name, value), text -> decode(text));
    message.target = before(message.target, '?') + "?" + query;
}

//: setBody
/** The new body. Where it is longer or shorter, every Content-Length that is there says so. */
private static void setBody(Work message, String body) {
    List<String[]> lines = new ArrayList<>();
    for (String[] line : message.headers) {
        boolean fits = body.length() == message.body.length() || !lower(line[0]).equals("content-length");
        lines.add(fits ? line : row(line[0], String.valueOf(body.length())));
    }
    message.headers = lines;
    message.body = body;
}

//: placeForm
private static void placeForm(Work message, String name, String value) {
    if (!isForm(message)) {
        throw failure("what is carried rides in a form, and the content type is no form");
    }
    setBody(message, setPair(message.body, name, carriable(name, value), text -> decodeForm(text)));
}

//: placeParams
/** Where it stands in the query; else in the form where there is one with a body, else in the query. */
private static void placeParams(Work message, String name, String value) {
    if (isForm(message) && !message.body.isEmpty() && !hasQuery(message, name)) {
        placeForm(message, name, value);
    } else {
        placeQuery(message, name, value);
    }
}

//: placeParamsAsForm
/** As {@code placeParams}, where the query is read as a form. */
private static void placeParamsAsForm(Work message, String name, String value) {
    if (isForm(message) && !message.body.isEmpty() && !hasQueryAsForm(message, name)) {
        placeForm(message, name, value);
    } else {
        String query = setPair(queryOf(message), name, carriable(name, value), text -> decodeForm(text));
        message.target = before(message.target, '?') + "?" + query;
    }
}

//: fieldSpan
/** Where the value of a form field stands, its raw name as written. */
private static int[] fieldSpan(String body, String name) {
    int start = 0;
    for (String fragment : body.split("&", -1)) {
        int end = start + fragment.length();
        if (before(fragment, '=').equals(name)) {
            return new int[] {Math.min(start + name.length() + 1, end), end};
        }
        start = end + 1;
    }
    return null;
}

//: skipBlanks
private static int skipBlanks(String body, int at) {
    int next = at;
    while (next < body.length() && " \t\n\r".indexOf(body.charAt(next)) >= 0) {
        next++;
    }
    return next;
}

//: textEnd
/** The place of the quote that closes a JSON text whose opening quote was passed. */
private static int textEnd(String body, int at) {
    int end = at;
    while (end < body.length() && body.charAt(end) != '"') {
        end += body.charAt(end) == '\134' ? 2 : 1;
    }
    return end < body.length() ? end : -1;
}

//: at
/** The character at a place, and a zero behind the end. */
private static char at(String body, int place) {
    return place < body.length() ? body.charAt(place) : 0;
}

//: memberSpan
/** Where the value of a top-level JSON member stands, between its quotes. Only the first such text counts. */
private static int[] memberSpan(String body, String name) {
    StringBuilder opened = new StringBuilder();
    boolean mayBeName = false;
    int place = 0;
    while (true) {
        place = skipBlanks(body, place);
        if (place >= body.length()) {
            return null;
        }
        char c = body.charAt(place);
        place++;
        if (c == '{' || c == '[') {
            if (opened.length() >= 128 || opened.length() == 0 && c == '[') {
                return null;
            }
            opened.append(c);
            mayBeName = c == '{';
        } else if (c == '}' || c == ']') {
            opened.setLength(Math.max(opened.length() - 1, 0));
            mayBeName = false;
            if (opened.length() == 0) {
                return null;
            }
        } else if (c == ',') {
            mayBeName = opened.length() > 0 && opened.charAt(opened.length() - 1) == '{';
        } else if (c == '"') {
            int end = textEnd(body, place);
            if (end < 0) {
                return null;
            }
            String text = body.substring(place, end);
            place = end + 1;
            if (mayBeName && text.equals(name) && opened.length() == 1) {
                int colon = skipBlanks(body, place);
                int quote = skipBlanks(body, colon + 1);
                if (at(body, colon) == ':' && at(body, quote) == '"') {
                    int close = textEnd(body, quote + 1);
                    return close < 0 ? null : new int[] {quote + 1, close};
                }
            }
            mayBeName = false;
        }
    }
}

//: endOfObject
/** Where a further member of a JSON object can be written, and 1 if it is the first. */
private static int[] endOfObject(String body) {
    int place = skipBlanks(body, 0);
    if (at(body, place) != '{') {
        return null;
    }
    place++;
    int depth = 1;
    int isFirst = 1;
    while (true) {
        place = skipBlanks(body, place);
        if (place >= body.length()) {
            return null;
        }
        char c = body.charAt(place);
        if (c == '"') {
            place = textEnd(body, place + 1);
            if (place < 0) {
                return null;
            }
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            depth--;
            if (depth == 0) {
                return new int[] {place, isFirst};
            }
        }
        place++;
        isFirst = 0;
    }
}

//: bodySpan
private static int[] bodySpan(Work message, String name) {
    return isForm(message) ? fieldSpan(message.body, name) : memberSpan(message.body, name);
}

//: bodyWithout
/** The body with this value emptied and every other byte as it is. */
private static String bodyWithout(Work message, String name) {
    int[] span = bodySpan(message, name);
    return span == null ? message.body : message.body.substring(0, span[0]) + message.body.substring(span[1]);
}

//: placeField
private static void placeField(Work message, String name, String value) {
    String body = message.body;
    String escaped = percent(carriable(name, value));
    int[] span = fieldSpan(body, name);
    if (span == null) {
        setBody(message, body + (body.isEmpty() ? "" : "&") + name + "=" + escaped);
    } else {
        boolean bare = span[0] == span[1] && (span[0] == 0 || body.charAt(span[0] - 1) != '=');
        setBody(message, body.substring(0, span[0]) + (bare ? "=" : "") + escaped + body.substring(span[1]));
    }
}

//: placeJson
private static void placeJson(Work message, String name, String value) {
    carriable(name, value);
    if (value.indexOf('"') >= 0 || value.indexOf('\134') >= 0) {
        throw failure("the value of " + name + " cannot stand in JSON as it is");
    }
    String body = message.body;
    int[] span = memberSpan(body, name);
    if (span != null) {
        setBody(message, body.substring(0, span[0]) + value + body.substring(span[1]));
        return;
    }
    int[] place = endOfObject(body);
    if (place == null) {
        throw failure("what is carried rides in the body, and the body is neither a form nor a JSON object");
    }
    String member = (place[1] == 1 ? "" : ",") + "\"" + name + "\":\"" + value + "\"";
    setBody(message, body.substring(0, place[0]) + member + body.substring(place[0]));
}

//: placeBody
/** A field where the body is a form, else a member of a JSON object; only its value changes. */
private static void placeBody(Work message, String name, String value) {
    if (isForm(message)) {
        placeField(message, name, value);
    } else {
        placeJson(message, name, value);
    }
}

//: hasQuery
private static boolean hasQuery(Work message, String name) {
    return splitPairs(queryOf(message)).stream().anyMatch(pair -> decode(pair[0]).equals(name));
}

//: hasQueryAsForm
private static boolean hasQueryAsForm(Work message, String name) {
    return splitPairs(queryOf(message)).stream().anyMatch(pair -> decodeForm(pair[0]).equals(name));
}

//: hasForm
private static boolean hasForm(Work message, String name) {
    return splitPairs(formOf(message)).stream().anyMatch(pair -> decodeForm(pair[0]).equals(name));
}

//: hasParams
private static boolean hasParams(Work message, String name) {
    return hasQuery(message, name) || hasForm(message, name);
}

//: hasParamsAsForm
private static boolean hasParamsAsForm(Work message, String name) {
    return hasQueryAsForm(message, name) || hasForm(message, name);
}

//: hasJson
private static boolean hasJson(Work message, String name) {
    return memberSpan(message.body, name) != null;
}

//: hasBody
private static boolean hasBody(Work message, String name) {
    return bodySpan(message, name) != null;
}
