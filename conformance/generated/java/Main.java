// An adapter, version 1, over generated signers: `javac` it with what `countersign codegen --lang java` wrote, then `java Main`.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

public final class Main {
    private Main() {
    }

    public static void main(String[] arguments) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            Map<String, Object> answer = new LinkedHashMap<>();
            try {
                Map<String, Object> ask = object(new Json(line).value());
                answer.put("id", ask.get("id"));
                answer.putAll(answer(ask));
            } catch (Exception error) {
                answer.put("result", "error");
                answer.put("message", error.toString());
            }
            out.println(Json.written(answer));
        }
    }

    private static Map<String, Object> answer(Map<String, Object> ask) throws Exception {
        if ("hello".equals(ask.get("op"))) {
            return Map.of("result", "hello", "version", 1, "name", "generated", "language", "java");
        }
        return "sign".equals(ask.get("op")) ? sign(ask) : Map.of("result", "unsupported", "why", "these signers only sign");
    }

    /** Each signer has message, credential and options of its own type, so they are filled by name. */
    private static Map<String, Object> sign(Map<String, Object> ask) throws Exception {
        Class<?> signer;
        try {
            signer = Class.forName(typeName((String) ask.get("dialect")));
        } catch (ClassNotFoundException none) {
            return Map.of("result", "unsupported", "why", "no signer of this dialect was generated");
        }
        Map<String, Object> given = object(ask.get("message"));
        Object message = made(signer, "Message", Map.of(
                "method", given.getOrDefault("method", ""),
                "scheme", given.getOrDefault("scheme", "https"),
                "version", given.getOrDefault("version", "HTTP/1.1"),
                "status", ((Number) given.getOrDefault("status", 0)).intValue(),
                "target", wire(bytes(given, "target")),
                "headers", headers(given.get("headers")),
                "body", bytes(given, "body")));
        Object list = ask.get("credentials");
        Map<String, Object> key = object(list instanceof List<?> several ? several.get(0) : list);
        Map<String, Object> fields = new HashMap<>();
        fields.put("keyId", key.get("key_id"));
        fields.put("secret", key.containsKey("secret") || key.containsKey("secret_base64") ? bytes(key, "secret") : null);
        fields.put("privateKey", key.get("private_key_pem"));
        fields.put("algorithm", key.get("algorithm"));
        fields.put("parts", key.getOrDefault("parts", Map.of()));
        Object credential = made(signer, "Credential", fields);
        Map<String, Object> more = object(ask.getOrDefault("options", Map.of()));
        fields = new HashMap<>();
        fields.put("at", Instant.parse((String) ask.get("at")).toEpochMilli());
        fields.put("nonce", ask.get("nonce"));
        fields.put("inputs", ask.getOrDefault("inputs", Map.of()));
        fields.put("headers", more.get("headers"));
        fields.put("omit", more.getOrDefault("omit", List.of()));
        fields.put("expires", more.get("expires"));
        fields.put("bodyDigest", more.get("body_digest"));
        Object options = made(signer, "Options", fields);
        try {
            Object signed = signer.getMethod("sign", message.getClass(), credential.getClass(), options.getClass())
                    .invoke(null, message, credential, options);
            return answer(given, signed);
        } catch (InvocationTargetException failed) {
            if (failed.getCause() instanceof IllegalArgumentException error) {
                return Map.of("result", "error", "message", String.valueOf(error.getMessage()));
            }
            throw failed;
        }
    }

    private static Map<String, Object> answer(Map<String, Object> given, Object signed) throws Exception {
        Map<String, Object> placed = new LinkedHashMap<>();
        for (String name : List.of("kind", "method", "scheme", "version", "status")) {
            if (given.containsKey(name)) {
                placed.put(name, given.get(name));
            }
        }
        String target = (String) read(signed, "target");
        if (!target.isEmpty()) {
            put(placed, "target", target.getBytes(StandardCharsets.ISO_8859_1));
        }
        List<Object> headers = new ArrayList<>();
        for (Object line : (List<?>) read(signed, "headers")) {
            String[] pair = (String[]) line;
            byte[] value = pair[1].getBytes(StandardCharsets.ISO_8859_1);
            headers.add(List.of(pair[0], isUtf8(value) ? text(value) : Map.of("base64", base64(value))));
        }
        placed.put("headers", headers);
        placed.put("body_base64", base64((byte[]) read(signed, "body")));
        Map<String, Object> stages = new LinkedHashMap<>();
        for (Map.Entry<?, ?> stage : ((Map<?, ?>) read(signed, "stages")).entrySet()) {
            put(stages, (String) stage.getKey(), (byte[]) stage.getValue());
        }
        return Map.of("result", "signed", "stages", stages, "signature", read(signed, "signature"), "message", placed);
    }

    private static Object made(Class<?> signer, String name, Map<String, Object> fields) throws Exception {
        Object made = Class.forName(signer.getName() + "$" + name).getConstructor().newInstance();
        for (Map.Entry<String, Object> field : fields.entrySet()) {
            made.getClass().getField(field.getKey()).set(made, field.getValue());
        }
        return made;
    }

    private static Object read(Object object, String field) throws Exception {
        return object.getClass().getField(field).get(object);
    }

    private static String typeName(String dialect) {
        StringBuilder name = new StringBuilder();
        for (String word : dialect.split("-", -1)) {
            if (name.length() > 0 && (word.isEmpty() || Character.isDigit(word.charAt(0)))) {
                name.append('_');
            }
            name.append(word.isEmpty() ? "" : word.substring(0, 1).toUpperCase() + word.substring(1));
        }
        return (Character.isDigit(name.charAt(0)) ? "The" : "") + name + "Signer";
    }

    private static List<String[]> headers(Object given) {
        List<String[]> headers = new ArrayList<>();
        for (Object line : given == null ? List.of() : (List<?>) given) {
            Object value = ((List<?>) line).get(1);
            byte[] bytes = value instanceof String text ? text.getBytes(StandardCharsets.UTF_8) : bytes(object(value), "");
            headers.add(new String[] {(String) ((List<?>) line).get(0), wire(bytes)});
        }
        return headers;
    }

    private static byte[] bytes(Map<String, Object> given, String name) {
        Object encoded = given.get(name.isEmpty() ? "base64" : name + "_base64");
        if (encoded != null) {
            return Base64.getDecoder().decode((String) encoded);
        }
        return ((String) given.getOrDefault(name, "")).getBytes(StandardCharsets.UTF_8);
    }

    private static void put(Map<String, Object> object, String name, byte[] bytes) {
        object.put(isUtf8(bytes) ? name : name + "_base64", isUtf8(bytes) ? text(bytes) : base64(bytes));
    }

    private static boolean isUtf8(byte[] bytes) {
        return Arrays.equals(text(bytes).getBytes(StandardCharsets.UTF_8), bytes);
    }

    private static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    private static String wire(byte[] bytes) {
        return new String(bytes, StandardCharsets.ISO_8859_1);
    }

    private static String base64(byte[] bytes) {
        return Base64.getEncoder().encodeToString(bytes);
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> object(Object value) {
        return (Map<String, Object>) value;
    }

    /** As much of JSON as the protocol needs. */
    private static final class Json {
        private final String text;
        private int at;

        Json(String text) {
            this.text = text;
        }

        private char next() {
            while (text.charAt(at) <= ' ') {
                at++;
            }
            return text.charAt(at);
        }

        Object value() {
            switch (next()) {
                case '{':
                    return members();
                case '[':
                    return items();
                case '"':
                    return string();
                default:
                    int start = at;
                    while (at < text.length() && ",]} ".indexOf(text.charAt(at)) < 0) {
                        at++;
                    }
                    String word = text.substring(start, at);
                    return switch (word) {
                        case "true" -> Boolean.TRUE;
                        case "false" -> Boolean.FALSE;
                        case "null" -> null;
                        default -> word.matches("-?[0-9]+") ? (Number) Long.valueOf(word) : (Number) Double.valueOf(word);
                    };
            }
        }

        private Map<String, Object> members() {
            Map<String, Object> members = new LinkedHashMap<>();
            at++;
            while (next() != '}') {
                String name = string();
                next();
                at++;
                members.put(name, value());
                if (next() == ',') {
                    at++;
                    next();
                }
            }
            at++;
            return members;
        }

        private List<Object> items() {
            List<Object> items = new ArrayList<>();
            at++;
            while (next() != ']') {
                items.add(value());
                if (next() == ',') {
                    at++;
                }
            }
            at++;
            return items;
        }

        private String string() {
            StringBuilder out = new StringBuilder();
            at++;
            while (text.charAt(at) != '"') {
                char c = text.charAt(at++);
                if (c != '\\') {
                    out.append(c);
                    continue;
                }
                char escape = text.charAt(at++);
                int place = "bfnrt".indexOf(escape);
                if (escape == 'u') {
                    out.append((char) Integer.parseInt(text.substring(at, at + 4), 16));
                    at += 4;
                } else {
                    out.append(place < 0 ? escape : "\b\f\n\r\t".charAt(place));
                }
            }
            at++;
            return out.toString();
        }

        static String written(Object value) {
            StringBuilder out = new StringBuilder();
            if (value instanceof Map<?, ?> map) {
                map.forEach((name, member) -> out.append(out.length() > 0 ? "," : "").append(written(name)).append(':').append(written(member)));
                return "{" + out + "}";
            }
            if (value instanceof List<?> list) {
                list.forEach(item -> out.append(out.length() > 0 ? "," : "").append(written(item)));
                return "[" + out + "]";
            }
            if (!(value instanceof String text)) {
                return String.valueOf(value);
            }
            for (char c : text.toCharArray()) {
                out.append(c < ' ' || c == '"' || c == '\\' ? String.format("\\u%04x", (int) c) : String.valueOf(c));
            }
            return "\"" + out + "\"";
        }
    }
}
