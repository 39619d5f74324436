package outdial.peer;

import com.fasterxml.jackson.core.io.JsonStringEncoder;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.HexFormat;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** Texts, hashes and instants. One instance belongs to one stream thread. */
final class Wire {
    static final String ZERO_ID = "00000000-0000-0000-0000-000000000000";
    private static final HexFormat HEX = HexFormat.of();
    private static final DateTimeFormatter SECONDS = DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss");
    private static final int REMEMBERED = 1024;

    private final JsonStringEncoder encoder = JsonStringEncoder.getInstance();
    private final MessageDigest sha1;
    private final MessageDigest sha256;
    private final Mac mac;
    private final long[] seconds = new long[REMEMBERED];
    private final String[] texts = new String[REMEMBERED];

    Wire(byte[] key) {
        try {
            sha1 = MessageDigest.getInstance("SHA-1");
            sha256 = MessageDigest.getInstance("SHA-256");
            mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(key, "HmacSHA256"));
        } catch (GeneralSecurityException error) {
            throw new IllegalStateException(error);
        }
    }

    /** UUIDv5 of a name in a namespace. */
    String derived(String namespace, String name) {
        sha1.update(uuid(namespace));
        byte[] digest = sha1.digest(name.getBytes(StandardCharsets.UTF_8));
        digest[6] = (byte) (digest[6] & 0x0F | 0x50);
        digest[8] = (byte) (digest[8] & 0x3F | 0x80);
        String text = HEX.formatHex(digest, 0, 16);
        return text.substring(0, 8) + '-' + text.substring(8, 12) + '-' + text.substring(12, 16) + '-' + text.substring(16, 20) + '-'
                + text.substring(20);
    }

    String attemptId(String outdial, String target, int ordinal) {
        return derived(outdial, target + '/' + ordinal);
    }

    /** 16 hexadecimal digits over what a command asks. */
    String contentHash(String content) {
        return HEX.formatHex(sha256.digest(content.getBytes(StandardCharsets.UTF_8)), 0, 8);
    }

    /** 32 hexadecimal digits: the keyed hash of an address. */
    String fingerprint(String address) {
        return HEX.formatHex(mac.doFinal(address.getBytes(StandardCharsets.UTF_8)), 0, 16);
    }

    String sha256(byte[] value) {
        return HEX.formatHex(sha256.digest(value));
    }

    /** The 16 bytes of a UUID. */
    static byte[] uuid(String text) {
        byte[] out = new byte[16];
        int at = 0;
        for (int i = 0; i < 36; i += 2) {
            if (text.charAt(i) == '-') {
                i++;
            }
            out[at++] = (byte) (Character.digit(text.charAt(i), 16) << 4 | Character.digit(text.charAt(i + 1), 16));
        }
        return out;
    }

    static String uuidText(byte[] bytes, int from) {
        String text = HEX.formatHex(bytes, from, from + 16);
        return text.substring(0, 8) + '-' + text.substring(8, 12) + '-' + text.substring(12, 16) + '-' + text.substring(16, 20) + '-'
                + text.substring(20);
    }

    /** The id in lower case; refused when it is no UUID. */
    static String checkedId(String text, String field) throws Refused {
        if (text == null) {
            throw new Refused("field_missing", field + " is missing");
        }
        boolean upper = false;
        boolean ok = text.length() == 36;
        for (int i = 0; ok && i < 36; i++) {
            char c = text.charAt(i);
            if (i == 8 || i == 13 || i == 18 || i == 23) {
                ok = c == '-';
            } else {
                upper |= c >= 'A' && c <= 'F';
                ok = c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F';
            }
        }
        if (!ok) {
            throw new Refused("field_invalid", field + ": not a UUID");
        }
        return upper ? text.toLowerCase(java.util.Locale.ROOT) : text;
    }

    static void checkLength(String text, int most, String field) throws Refused {
        if (text != null && (text.length() > most || text.indexOf('\0') >= 0)) {
            throw new Refused("field_invalid", field + ": at most " + most + " characters, none of them zero");
        }
    }

    static long now() {
        Instant now = Instant.now();
        return now.getEpochSecond() * 1_000_000L + now.getNano() / 1_000;
    }

    /** RFC 3339 with six digits; the text of a second is remembered. */
    StringBuilder instant(StringBuilder out, long at) {
        long second = Math.floorDiv(at, 1_000_000L);
        int slot = (int) (second & REMEMBERED - 1);
        if (texts[slot] == null || seconds[slot] != second) {
            seconds[slot] = second;
            texts[slot] = SECONDS.format(LocalDateTime.ofEpochSecond(second, 0, ZoneOffset.UTC));
        }
        int micros = (int) Math.floorMod(at, 1_000_000L);
        out.append('"').append(texts[slot]).append('.');
        for (int digit = 100_000; digit > 0; digit /= 10) {
            out.append((char) ('0' + micros / digit % 10));
        }
        return out.append("Z\"");
    }

    static long parseInstant(String text, String field) throws Refused {
        try {
            Instant found = OffsetDateTime.parse(text).toInstant();
            return found.getEpochSecond() * 1_000_000L + found.getNano() / 1_000;
        } catch (RuntimeException error) {
            throw new Refused("field_invalid", field + ": not a time");
        }
    }

    StringBuilder text(StringBuilder out, String value) {
        out.append('"');
        encoder.quoteAsString(value, out);
        return out.append('"');
    }

    StringBuilder address(StringBuilder out, Command.Address address) {
        if (address == null) {
            return out.append("null");
        }
        text(out.append("{\"type\":"), address.type);
        text(out.append(",\"target\":"), address.target);
        text(out.append(",\"target_name\":"), address.target_name);
        text(out.append(",\"name\":"), address.name);
        return text(out.append(",\"detail\":"), address.detail).append('}');
    }

    /** A key of several ids and numbers, in order of bytes. */
    static final class Key {
        private final ByteBuffer buffer = ByteBuffer.allocate(96);

        Key id(String uuid) {
            buffer.put(uuid(uuid));
            return this;
        }

        Key number(long value) {
            buffer.putLong(value);
            return this;
        }

        Key small(int value) {
            buffer.put((byte) value);
            return this;
        }

        byte[] bytes() {
            byte[] out = new byte[buffer.position()];
            buffer.flip();
            buffer.get(out);
            return out;
        }
    }
}
