package outdial.peer;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** What is kept of an outdial and of a target, in a compact binary form. */
final class State {
    static final int SLOTS = 5;
    static final long NOW = -1;

    private State() {}

    /** An outdial, its run and its plan. */
    static final class Outdial {
        String id;
        String customer;
        String campaign;
        int version;
        boolean running;
        int run;
        int requests;
        int planVersion;
        byte[] planJson = new byte[0];
        int open;
        int silent;
        long lastTime;
        /** Times of the requests of the last second, where the plan has a pace. */
        long[] recent = new long[0];
        /** Parsed from {@link #planJson}; not stored. */
        Command.Plan plan;

        byte[] bytes() {
            return write(out -> {
                out.write(Wire.uuid(id));
                out.write(Wire.uuid(customer));
                out.write(Wire.uuid(campaign));
                out.writeInt(version);
                out.writeBoolean(running);
                out.writeInt(run);
                out.writeInt(requests);
                out.writeInt(planVersion);
                blob(out, planJson);
                out.writeInt(open);
                out.writeInt(silent);
                out.writeLong(lastTime);
                out.writeInt(recent.length);
                for (long at : recent) {
                    out.writeLong(at);
                }
            });
        }

        static Outdial of(byte[] bytes) {
            Outdial found = new Outdial();
            read(bytes, in -> {
                found.id = id(in);
                found.customer = id(in);
                found.campaign = id(in);
                found.version = in.readInt();
                found.running = in.readBoolean();
                found.run = in.readInt();
                found.requests = in.readInt();
                found.planVersion = in.readInt();
                found.planJson = blob(in);
                found.open = in.readInt();
                found.silent = in.readInt();
                found.lastTime = in.readLong();
                found.recent = new long[in.readInt()];
                for (int i = 0; i < found.recent.length; i++) {
                    found.recent[i] = in.readLong();
                }
            });
            return found;
        }
    }

    static final byte IDLE = 0;
    static final byte PROGRESSING = 1;
    static final byte REACHED = 2;
    static final byte EXHAUSTED = 3;

    /** A target: its facts, its history, and the attempt that is open. */
    static final class Target {
        String id;
        byte status;
        int number;
        Integer tryCountMax;
        int priority;
        String timeZone = "";
        String name = "";
        String detail = "";
        String data = "";
        Command.Address[] destinations = new Command.Address[0];
        int[] tries = new int[SLOTS];
        byte[] outcomes = new byte[0];
        byte[] ends = new byte[0];
        int ordinal;
        int notDialed;
        /** Idle: since when, and what for ({@link State#NOW}, 0 for the interval, or not_dialed in a row). */
        long since;
        long wait;
        /** Progressing. */
        String attempt = Wire.ZERO_ID;
        int index;
        long expiresAt;

        byte[] bytes() {
            return write(out -> {
                out.write(Wire.uuid(id));
                out.writeByte(status);
                out.writeInt(number);
                out.writeInt(tryCountMax == null ? -1 : tryCountMax);
                out.writeByte(priority);
                text(out, timeZone);
                text(out, name);
                text(out, detail);
                text(out, data);
                out.writeByte(destinations.length);
                for (Command.Address found : destinations) {
                    out.writeBoolean(found != null);
                    if (found != null) {
                        text(out, found.type);
                        text(out, found.target);
                        text(out, found.target_name);
                        text(out, found.name);
                        text(out, found.detail);
                    }
                }
                for (int count : tries) {
                    out.writeInt(count);
                }
                blob(out, outcomes);
                blob(out, ends);
                out.writeInt(ordinal);
                out.writeInt(notDialed);
                out.writeLong(since);
                out.writeLong(wait);
                out.write(Wire.uuid(attempt));
                out.writeByte(index);
                out.writeLong(expiresAt);
            });
        }

        static Target of(byte[] bytes) {
            Target found = new Target();
            read(bytes, in -> {
                found.id = id(in);
                found.status = in.readByte();
                found.number = in.readInt();
                int most = in.readInt();
                found.tryCountMax = most < 0 ? null : most;
                found.priority = in.readByte();
                found.timeZone = text(in);
                found.name = text(in);
                found.detail = text(in);
                found.data = text(in);
                found.destinations = new Command.Address[in.readByte()];
                for (int i = 0; i < found.destinations.length; i++) {
                    if (in.readBoolean()) {
                        Command.Address one = found.destinations[i] = new Command.Address();
                        one.type = text(in);
                        one.target = text(in);
                        one.target_name = text(in);
                        one.name = text(in);
                        one.detail = text(in);
                    }
                }
                for (int i = 0; i < SLOTS; i++) {
                    found.tries[i] = in.readInt();
                }
                found.outcomes = blob(in);
                found.ends = blob(in);
                found.ordinal = in.readInt();
                found.notDialed = in.readInt();
                found.since = in.readLong();
                found.wait = in.readLong();
                found.attempt = id(in);
                found.index = in.readByte();
                found.expiresAt = in.readLong();
            });
            return found;
        }

        boolean isSame(Command.AddTarget other, Command.Address[] others) {
            boolean same = java.util.Objects.equals(tryCountMax, other.try_count_max) && priority == other.priority
                    && timeZone.equals(other.time_zone == null ? "" : other.time_zone)
                    && name.equals(other.name) && detail.equals(other.detail) && data.equals(other.data)
                    && destinations.length == others.length;
            for (int i = 0; same && i < others.length; i++) {
                Command.Address a = destinations[i];
                Command.Address b = others[i];
                same = a == b || a != null && b != null && a.type.equals(b.type) && a.target.equals(b.target)
                        && a.target_name.equals(b.target_name) && a.name.equals(b.name) && a.detail.equals(b.detail);
            }
            return same;
        }

        /** Sorted outcomes with one more. */
        void spend(int code) {
            outcomes = Arrays.copyOf(outcomes, outcomes.length + 1);
            outcomes[outcomes.length - 1] = (byte) code;
            Arrays.sort(outcomes);
        }

        /** The last 64 ends with one more. */
        void end(int code) {
            int from = ends.length >= 64 ? 1 : 0;
            byte[] more = Arrays.copyOfRange(ends, from, ends.length + 1);
            more[more.length - 1] = (byte) code;
            ends = more;
        }
    }

    private interface Writing {
        void to(DataOutputStream out) throws IOException;
    }

    private interface Reading {
        void from(DataInputStream in) throws IOException;
    }

    private static byte[] write(Writing writing) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(256);
        try {
            writing.to(new DataOutputStream(bytes));
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        return bytes.toByteArray();
    }

    private static void read(byte[] bytes, Reading reading) {
        try {
            reading.from(new DataInputStream(new ByteArrayInputStream(bytes)));
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private static String id(DataInputStream in) throws IOException {
        byte[] bytes = new byte[16];
        in.readFully(bytes);
        return Wire.uuidText(bytes, 0);
    }

    private static void text(DataOutputStream out, String text) throws IOException {
        blob(out, text.getBytes(StandardCharsets.UTF_8));
    }

    private static String text(DataInputStream in) throws IOException {
        int length = in.readInt();
        return length == 0 ? "" : new String(in.readNBytes(length), StandardCharsets.UTF_8);
    }

    private static void blob(DataOutputStream out, byte[] bytes) throws IOException {
        out.writeInt(bytes.length);
        out.write(bytes);
    }

    private static byte[] blob(DataInputStream in) throws IOException {
        return in.readNBytes(in.readInt());
    }
}
