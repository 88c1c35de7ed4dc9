// An adapter in Java with the standard library alone: hmac-sha256, aws-sigv4, aws-sigv4-s3 and tencent-tc3, written from their rules. Run it with `java Adapter.java`.

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collections;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public final class Adapter {
    /** What the adapter cannot do, and why. */
    static final class Unsupported extends RuntimeException {
        Unsupported(String why) {
            super(why);
        }
    }

    public static void main(String[] args) throws IOException {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (String raw = in.readLine(); raw != null; raw = in.readLine()) {
            Map<String, Object> answer = new LinkedHashMap<>();
            answer.put("id", null);
            try {
                Map<String, Object> line = object(new Json(raw).whole());
                answer.put("id", line.get("id"));
                answer.putAll(answer(line));
            } catch (Unsupported why) {
                answer.putAll(Map.of("result", "unsupported", "why", String.valueOf(why.getMessage())));
            } catch (RuntimeException | GeneralSecurityException fault) {
                answer.putAll(Map.of("result", "error", "message", String.valueOf(fault)));
            }
            out.println(Json.write(answer));
        }
    }

    static Map<String, Object> answer(Map<String, Object> line) throws GeneralSecurityException {
        Object op = line.get("op");
        if ("hello".equals(op)) {
            if (!Long.valueOf(1).equals(line.get("version"))) {
                throw new Unsupported("speaks version 1");
            }
            return ordered("result", "hello", "version", 1L, "name", "java-by-the-rules", "language", "java", "features", List.of("stages"));
        }
        if ("dialects".equals(op)) {
            List<Object> all = new ArrayList<>();
            for (String id : List.of("hmac-sha256", "aws-sigv4", "aws-sigv4-s3", "tencent-tc3")) {
                all.add(ordered("id", id, "directions", List.of("sign")));
            }
            return ordered("result", "dialects", "dialects", all);
        }
        if (!"sign".equals(op)) {
            throw new Unsupported("no op " + op);
        }
        Ask ask = new Ask(line);
        return switch (String.valueOf(line.get("dialect"))) {
            case "hmac-sha256" -> plain(ask);
            case "aws-sigv4" -> versionFour(ask, false);
            case "aws-sigv4-s3" -> versionFour(ask, true);
            case "tencent-tc3" -> versionThree(ask);
            default -> throw new Unsupported("no dialect " + line.get("dialect"));
        };
    }

    // ---------------------------------------------------------------- the schemes

    static Map<String, Object> plain(Ask ask) throws GeneralSecurityException {
        String time = String.valueOf(ask.at.getEpochSecond());
        List<String> names = ask.names(List.of("host"));
        String digest = hex(sha256(ask.body));
        byte[] text = join("\n", bytes(String.join("\n", "HMAC-SHA256", time, ask.nonce, ask.keyId, ask.method, ask.path(), query(ask.query()))),
                join("\n", ask.lines(names, ":")), bytes(""), bytes(String.join(";", names)), bytes(digest));
        String signature = hex(hmac(ask.secret, text));
        ask.add("X-Content-SHA256", digest);
        ask.add("Authorization", "HMAC-SHA256 Credential=" + ask.keyId + ", Timestamp=" + time + ", Nonce=" + ask.nonce + ", SignedHeaders="
                + String.join(";", names) + ", Signature=" + signature);
        return ask.signed(signature, ordered("string_to_sign", text));
    }

    /** AWS Signature Version 4. That of S3 signs the path as sent, and sends the digest or a word in its place. */
    static Map<String, Object> versionFour(Ask ask, boolean s3) throws GeneralSecurityException {
        String stamp = DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC).format(ask.at);
        String date = stamp.substring(0, 8);
        ask.add("X-Amz-Date", stamp);
        String digest = s3 ? (String) ask.options.getOrDefault("body_digest", hex(sha256(ask.body))) : hex(sha256(ask.body));
        if (s3) {
            ask.add("X-Amz-Content-Sha256", digest);
        }
        if (ask.inputs.get("token") != null) {
            ask.add("X-Amz-Security-Token", (String) ask.inputs.get("token"));
        }
        List<String> usual = new ArrayList<>();
        for (String name : ask.values().keySet()) {
            if (name.equals("host") || name.equals("content-type") || s3 && name.equals("range") || name.startsWith("x-amz-")) {
                usual.add(name);
            }
        }
        List<String> names = ask.names(usual);
        String path = s3 ? ask.path() : encode(bytes(normalized(ask.path())), "/");
        byte[] canonical = canonical(ask, path, names, digest);
        String scope = String.join("/", date, (String) ask.inputs.get("region"), (String) ask.inputs.get("service"), "aws4_request");
        String text = String.join("\n", "AWS4-HMAC-SHA256", stamp, scope, hex(sha256(canonical)));
        byte[] key = join("", bytes("AWS4"), ask.secret);
        for (String part : scope.split("/")) {
            key = hmac(key, bytes(part));
        }
        String signature = hex(hmac(key, bytes(text)));
        ask.add("Authorization", "AWS4-HMAC-SHA256 Credential=" + ask.keyId + "/" + scope + ", SignedHeaders=" + String.join(";", names) + ", Signature=" + signature);
        return ask.signed(signature, ordered("canonical_request", canonical, "string_to_sign", bytes(text)));
    }

    /** Tencent Cloud's TC3-HMAC-SHA256: values of headers are signed trimmed and in small letters. */
    static Map<String, Object> versionThree(Ask ask) throws GeneralSecurityException {
        ask.spelled = value -> lowered(trimmed(value));
        String time = String.valueOf(ask.at.getEpochSecond());
        ask.add("X-TC-Timestamp", time);
        List<String> names = ask.names(ask.values().containsKey("content-type") ? List.of("content-type", "host") : List.of("host"));
        byte[] canonical = canonical(ask, ask.path(), names, hex(sha256(ask.body)));
        String date = DateTimeFormatter.ISO_LOCAL_DATE.withZone(ZoneOffset.UTC).format(ask.at);
        String scope = String.join("/", date, (String) ask.inputs.get("service"), "tc3_request");
        String text = String.join("\n", "TC3-HMAC-SHA256", time, scope, hex(sha256(canonical)));
        byte[] key = join("", bytes("TC3"), ask.secret);
        for (String part : scope.split("/")) {
            key = hmac(key, bytes(part));
        }
        String signature = hex(hmac(key, bytes(text)));
        ask.add("Authorization", "TC3-HMAC-SHA256 Credential=" + ask.keyId + "/" + scope + ", SignedHeaders=" + String.join(";", names) + ", Signature=" + signature);
        return ask.signed(signature, ordered("canonical_request", canonical, "string_to_sign", bytes(text)));
    }

    static byte[] canonical(Ask ask, String path, List<String> names, String digest) {
        return join("\n", bytes(String.join("\n", ask.method, path, query(ask.query()))), join("\n", ask.lines(names, ":")), bytes(""), bytes(String.join(";", names)), bytes(digest));
    }

    static String normalized(String path) {
        ArrayDeque<String> kept = new ArrayDeque<>();
        for (String segment : path.split("/")) {
            if (segment.equals("..")) {
                kept.pollLast();
            } else if (!segment.isEmpty() && !segment.equals(".")) {
                kept.addLast(segment);
            }
        }
        boolean closes = !kept.isEmpty() && (path.endsWith("/") || path.endsWith("/.") || path.endsWith("/.."));
        return "/" + String.join("/", kept) + (closes ? "/" : "");
    }

    /** The query decoded, encoded and sorted by name, then by value. */
    static String query(String raw) {
        List<String[]> pairs = new ArrayList<>();
        for (String piece : raw.split("&")) {
            if (!piece.isEmpty()) {
                String[] halves = piece.split("=", 2);
                pairs.add(new String[] {encode(decode(halves[0]), ""), encode(decode(halves.length > 1 ? halves[1] : ""), "")});
            }
        }
        pairs.sort((a, b) -> a[0].equals(b[0]) ? a[1].compareTo(b[1]) : a[0].compareTo(b[0]));
        List<String> written = new ArrayList<>();
        pairs.forEach(pair -> written.add(pair[0] + "=" + pair[1]));
        return String.join("&", written);
    }

    static byte[] decode(String text) {
        byte[] raw = bytes(text);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (int i = 0; i < raw.length; i++) {
            int high = i + 2 < raw.length ? Character.digit(raw[i + 1], 16) : -1;
            int low = i + 2 < raw.length ? Character.digit(raw[i + 2], 16) : -1;
            if (raw[i] == '%' && high >= 0 && low >= 0) {
                out.write(high * 16 + low);
                i += 2;
            } else {
                out.write(raw[i]);
            }
        }
        return out.toByteArray();
    }

    static String encode(byte[] octets, String alsoBare) {
        StringBuilder out = new StringBuilder();
        for (byte octet : octets) {
            char letter = (char) (octet & 0xff);
            boolean bare = letter < 128 && (Character.isLetterOrDigit(letter) || "-_.~".indexOf(letter) >= 0 || alsoBare.indexOf(letter) >= 0);
            out.append(bare ? String.valueOf(letter) : String.format("%%%02X", (int) letter));
        }
        return out.toString();
    }

    // ---------------------------------------------------------------- what is asked

    /** One `sign` line. */
    static final class Ask {
        final Instant at;
        final String nonce;
        final String keyId;
        final byte[] secret;
        final Map<String, Object> inputs;
        final Map<String, Object> options;
        final Map<String, Object> message;
        final String method;
        final String target;
        final byte[] body;
        final List<Object> headers;
        /** How a header's value is signed. */
        UnaryOperator<byte[]> spelled = Adapter::squeezed;

        Ask(Map<String, Object> line) {
            at = Instant.parse((String) line.get("at"));
            nonce = (String) line.get("nonce");
            Object credentials = line.get("credentials");
            Map<String, Object> key = object(credentials instanceof List<?> list ? list.get(0) : credentials);
            keyId = (String) key.get("key_id");
            secret = key.containsKey("secret") ? bytes((String) key.get("secret")) : Base64.getDecoder().decode((String) key.get("secret_base64"));
            inputs = object(line.getOrDefault("inputs", Map.of()));
            options = object(line.getOrDefault("options", Map.of()));
            if (options.containsKey("omit")) {
                throw new Unsupported("leaves nothing out");
            }
            message = object(line.get("message"));
            method = (String) message.get("method");
            target = (String) message.get("target");
            body = Base64.getDecoder().decode((String) message.getOrDefault("body_base64", ""));
            headers = new ArrayList<>((List<?>) message.getOrDefault("headers", List.of()));
        }

        String path() {
            return target.split("\\?", 2)[0];
        }

        String query() {
            int mark = target.indexOf('?');
            return mark < 0 ? "" : target.substring(mark + 1);
        }

        void add(String name, String value) {
            headers.add(List.of(name, value));
        }

        /** Values by lower-case name, as they are signed; lines of a name are joined by a comma. */
        Map<String, byte[]> values() {
            Map<String, byte[]> values = new TreeMap<>();
            for (Object line : headers) {
                List<?> pair = (List<?>) line;
                byte[] value = spelled.apply(pair.get(1) instanceof String text ? bytes(text) : Base64.getDecoder().decode((String) object(pair.get(1)).get("base64")));
                values.merge(((String) pair.get(0)).toLowerCase(Locale.ROOT), value, (before, more) -> join(",", before, more));
            }
            return values;
        }

        List<String> names(List<String> usual) {
            List<String> names = new ArrayList<>();
            for (Object name : (List<?>) options.getOrDefault("headers", usual)) {
                names.add(((String) name).toLowerCase(Locale.ROOT));
            }
            Collections.sort(names);
            return names;
        }

        byte[][] lines(List<String> names, String separator) {
            Map<String, byte[]> values = values();
            byte[][] lines = new byte[names.size()][];
            for (int i = 0; i < lines.length; i++) {
                byte[] value = values.get(names.get(i));
                if (value == null) {
                    throw new IllegalArgumentException("no header " + names.get(i));
                }
                lines[i] = join(separator, bytes(names.get(i)), value);
            }
            return lines;
        }

        Map<String, Object> signed(String signature, Map<String, Object> stages) {
            Map<String, Object> encoded = new LinkedHashMap<>();
            stages.forEach((name, octets) -> encoded.put(name + "_base64", Base64.getEncoder().encodeToString((byte[]) octets)));
            Map<String, Object> placed = new LinkedHashMap<>(message);
            placed.put("headers", headers);
            return ordered("result", "signed", "stages", encoded, "signature", signature, "message", placed);
        }
    }

    // ---------------------------------------------------------------- octets

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static byte[] join(String separator, byte[]... pieces) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (int i = 0; i < pieces.length; i++) {
            out.writeBytes(i == 0 ? new byte[0] : bytes(separator));
            out.writeBytes(pieces[i]);
        }
        return out.toByteArray();
    }

    static byte[] squeezed(byte[] value) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        boolean blank = false;
        for (byte octet : value) {
            if (octet == ' ' || octet == '\t') {
                blank = true;
                continue;
            }
            if (blank && out.size() > 0) {
                out.write(' ');
            }
            blank = false;
            out.write(octet);
        }
        return out.toByteArray();
    }

    static byte[] trimmed(byte[] value) {
        int start = 0;
        int end = value.length;
        while (start < end && (value[start] == ' ' || value[start] == '\t')) {
            start++;
        }
        while (end > start && (value[end - 1] == ' ' || value[end - 1] == '\t')) {
            end--;
        }
        return Arrays.copyOfRange(value, start, end);
    }

    static byte[] lowered(byte[] value) {
        byte[] out = value.clone();
        for (int i = 0; i < out.length; i++) {
            out[i] += out[i] >= 'A' && out[i] <= 'Z' ? 'a' - 'A' : 0;
        }
        return out;
    }

    static byte[] sha256(byte[] octets) throws GeneralSecurityException {
        return MessageDigest.getInstance("SHA-256").digest(octets);
    }

    static byte[] hmac(byte[] key, byte[] octets) throws GeneralSecurityException {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        return mac.doFinal(octets);
    }

    static String hex(byte[] octets) {
        return HexFormat.of().formatHex(octets);
    }

    // ---------------------------------------------------------------- JSON

    @SuppressWarnings("unchecked")
    static Map<String, Object> object(Object value) {
        if (value instanceof Map<?, ?> map) {
            return (Map<String, Object>) map;
        }
        throw new IllegalArgumentException("expected an object");
    }

    static Map<String, Object> ordered(Object... members) {
        Map<String, Object> out = new LinkedHashMap<>();
        for (int i = 0; i < members.length; i += 2) {
            out.put((String) members[i], members[i + 1]);
        }
        return out;
    }

    /** As much of JSON as the protocol needs: whole numbers only. */
    static final class Json {
        private final String text;
        private int at;

        Json(String text) {
            this.text = text;
        }

        Object whole() {
            Object value = value();
            if (peek() != '\0') {
                throw new IllegalArgumentException("text behind the JSON");
            }
            return value;
        }

        private char peek() {
            while (at < text.length() && Character.isWhitespace(text.charAt(at))) {
                at++;
            }
            return at < text.length() ? text.charAt(at) : '\0';
        }

        private void take(String word) {
            peek();
            if (!text.startsWith(word, at)) {
                throw new IllegalArgumentException("expected " + word + " at " + at);
            }
            at += word.length();
        }

        private Object value() {
            char next = peek();
            if (next == '{') {
                return map();
            }
            if (next == '[') {
                return list();
            }
            if (next == '"') {
                return string();
            }
            for (Map.Entry<String, Object> word : ordered("true", true, "false", false, "null", null).entrySet()) {
                if (text.startsWith(word.getKey(), at)) {
                    at += word.getKey().length();
                    return word.getValue();
                }
            }
            int start = at;
            while (at < text.length() && "-0123456789".indexOf(text.charAt(at)) >= 0) {
                at++;
            }
            return Long.valueOf(text.substring(start, at));
        }

        private Map<String, Object> map() {
            Map<String, Object> out = new LinkedHashMap<>();
            take("{");
            while (peek() != '}') {
                if (!out.isEmpty()) {
                    take(",");
                }
                peek();
                String name = string();
                take(":");
                out.put(name, value());
            }
            take("}");
            return out;
        }

        private List<Object> list() {
            List<Object> out = new ArrayList<>();
            take("[");
            while (peek() != ']') {
                if (!out.isEmpty()) {
                    take(",");
                }
                out.add(value());
            }
            take("]");
            return out;
        }

        private String string() {
            StringBuilder out = new StringBuilder();
            take("\"");
            while (text.charAt(at) != '"') {
                char letter = text.charAt(at++);
                if (letter != '\\') {
                    out.append(letter);
                    continue;
                }
                char escape = text.charAt(at++);
                int known = "bfnrt".indexOf(escape);
                if (escape == 'u') {
                    out.append((char) Integer.parseInt(text.substring(at, at + 4), 16));
                    at += 4;
                } else {
                    out.append(known < 0 ? escape : "\b\f\n\r\t".charAt(known));
                }
            }
            at++;
            return out.toString();
        }

        static String write(Object value) {
            if (value instanceof Map<?, ?> map) {
                List<String> members = new ArrayList<>();
                map.forEach((name, member) -> members.add(write(name) + ":" + write(member)));
                return "{" + String.join(",", members) + "}";
            }
            if (value instanceof List<?> list) {
                List<String> items = new ArrayList<>();
                list.forEach(item -> items.add(write(item)));
                return "[" + String.join(",", items) + "]";
            }
            if (!(value instanceof String text)) {
                return String.valueOf(value);
            }
            StringBuilder out = new StringBuilder("\"");
            for (char letter : text.toCharArray()) {
                boolean plain = letter >= ' ' && letter != '"' && letter != '\\';
                out.append(plain ? String.valueOf(letter) : String.format("\\u%04x", (int) letter));
            }
            return out.append('"').toString();
        }
    }
}
