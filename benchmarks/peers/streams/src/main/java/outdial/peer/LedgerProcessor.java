package outdial.peer;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.exc.InvalidTypeIdException;
import com.fasterxml.jackson.databind.exc.UnrecognizedPropertyException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/** Decides the commands of one partition: the rules for outdials with a plan of their own, targets, requests, results and leases. */
final class LedgerProcessor implements Processor<byte[], byte[], byte[], byte[]> {
    static final String OUTDIALS = "outdials";
    static final String TARGETS = "targets";
    static final String ADDRESSES = "addresses";
    static final String IDS = "ids";
    static final String TIMERS = "timers";
    static final List<String> STORES = List.of(OUTDIALS, TARGETS, ADDRESSES, IDS, TIMERS);

    /** First bytes of the keys in {@link #timers}: what is not due yet, what is due and held back, open attempts. */
    private static final int AGENDA = 0;
    private static final int READY = 1;
    private static final int LEASES = 2;
    private static final long REMEMBERED_US = Duration.ofDays(31).toMillis() * 1_000;
    private static final int SILENT_ATTEMPTS = 20;
    private static final int AT_ONCE = 1_000;
    private static final List<String> OUTCOMES =
            List.of("answered", "busy", "no_answer", "machine", "failed", "canceled", "not_dialed", "other");
    private static final Map<String, String> ALIASES = Map.of(
            "normal", "other", "noanswer", "no_answer", "dialout", "no_answer", "amd", "machine", "cancel", "canceled", "timeout", "answered");
    private static final Map<String, Integer> RESULT_TYPES = Map.of("machine", 0, "busy", 1, "no_answer", 2, "failed", 3);
    private static final int LOST = 0x80;
    private static final Set<String> ADDRESS_TYPES = Set.of("tel", "sip", "email", "agent", "conference", "extension", "line",
            "web_session", "ai", "ai_team", "webchat", "whatsapp");
    private static final Pattern NUMBER_JUNK = Pattern.compile("[0-9 ()\\-./]*");
    private static final Pattern SIP =
            Pattern.compile("(?:sips?:)?([^\\s@<>\"]+)@([A-Za-z0-9.\\-]+|\\[[0-9A-Fa-f:.]+\\])((?::[0-9]{1,5})?(?:[;?][^\\s<>\"]*)?)");
    private static final Pattern EMAIL = Pattern.compile("[^\\s@<>\"(),:;\\[\\]\\\\]{1,64}@[^\\s@<>\"(),:;\\[\\]\\\\]{1,253}");
    private static final Pattern UUID = Pattern.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}");
    private static final byte[] NOTHING = {};
    private static final byte[] CONTENT_TYPE = "application/cloudevents+json".getBytes(StandardCharsets.US_ASCII);

    private final Wire wire;
    private final String keyId;
    private final ObjectMapper mapper = new ObjectMapper()
            .setSerializationInclusion(JsonInclude.Include.NON_NULL)
            .configure(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES, true);
    private final ObjectReader commands = mapper.readerFor(Command.class);
    private final ObjectReader plans = mapper.readerFor(Command.Plan.class);

    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<byte[], byte[]> outdials;
    private KeyValueStore<byte[], byte[]> targets;
    private KeyValueStore<byte[], byte[]> addresses;
    private KeyValueStore<byte[], byte[]> ids;
    private KeyValueStore<byte[], byte[]> timers;
    /** Outdials with targets that are due and held back by the pace. */
    private final Set<String> held = new HashSet<>();
    /** By kind of timer: none is due before. */
    private final long[] nextDue = new long[3];
    private byte[] input = "0".getBytes(StandardCharsets.US_ASCII);
    private String cause;
    private String causeHash;
    private String actor;

    LedgerProcessor(byte[] key, String keyId) {
        this.wire = new Wire(key);
        this.keyId = keyId;
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> found) {
        context = found;
        outdials = context.getStateStore(OUTDIALS);
        targets = context.getStateStore(TARGETS);
        addresses = context.getStateStore(ADDRESSES);
        ids = context.getStateStore(IDS);
        timers = context.getStateStore(TIMERS);
        try (KeyValueIterator<byte[], byte[]> all = timers.range(new byte[] {READY}, new byte[] {LEASES})) {
            while (all.hasNext()) {
                held.add(Wire.uuidText(all.next().key, 1));
            }
        }
        context.schedule(Duration.ofMillis(10), PunctuationType.WALL_CLOCK_TIME, at -> tick());
        context.schedule(Duration.ofDays(1), PunctuationType.WALL_CLOCK_TIME, at -> forgetIds());
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        long offset = context.recordMetadata().orElseThrow().offset();
        input = Long.toString(offset + 1).getBytes(StandardCharsets.US_ASCII);
        Command command = null;
        try {
            command = parsed(record.value());
            if (command.id == null) {
                var where = context.recordMetadata().orElseThrow();
                command.id = wire.derived(Wire.ZERO_ID, where.topic() + '/' + where.partition() + '/' + where.offset());
            }
            decide(command);
        } catch (Refused why) {
            reject(record, command, why);
        }
    }

    // --- commands -------------------------------------------------------------------------------------

    private Command parsed(byte[] value) throws Refused {
        if (value == null) {
            throw new Refused("json_invalid", "not JSON: nothing at all");
        }
        if (value.length > 900 * 1024) {
            throw new Refused("too_large", "a command may have 921600 bytes");
        }
        try {
            Command command = commands.readValue(value);
            if (command.id != null) {
                command.id = Wire.checkedId(command.id, "id");
            }
            if (command.customer_id != null) {
                command.customer_id = Wire.checkedId(command.customer_id, "customer_id");
            }
            Wire.checkLength(command.actor, 255, "actor");
            if (command.time != null) {
                Wire.parseInstant(command.time, "time");
            }
            command.outdial_id = Wire.checkedId(command.outdial_id, "outdial_id");
            return command;
        } catch (UnrecognizedPropertyException error) {
            throw new Refused("unknown_field", error.getPropertyName() + " is not a field here");
        } catch (InvalidTypeIdException error) {
            throw new Refused("type_unknown", "type must be one of CreateOutdial, AddTarget, DialResult");
        } catch (JsonMappingException error) {
            throw new Refused("field_invalid", "a field has the wrong form");
        } catch (JsonProcessingException error) {
            throw new Refused("json_invalid", "not JSON");
        } catch (IOException error) {
            throw new IllegalStateException(error);
        }
    }

    private void decide(Command command) throws Refused {
        byte[] key = Wire.uuid(command.outdial_id);
        State.Outdial outdial = load(key);
        boolean mine = outdial == null || command.customer_id == null || command.customer_id.equals(outdial.customer);
        if (!mine) {
            throw command instanceof Command.CreateOutdial
                    ? new Refused("already_exists", "this id is taken; choose another for the outdial")
                    : new Refused("outdial_unknown", "there is no such outdial");
        }
        String content = wire.contentHash(content(command));
        byte[] idKey = Wire.uuid(command.id);
        byte[] before = ids.get(idKey);
        long clock = Wire.now();
        if (before != null && ByteBuffer.wrap(before).getLong() > clock - REMEMBERED_US) {
            if (!content.equals(new String(before, 8, 16, StandardCharsets.US_ASCII))) {
                throw new Refused("id_reused", "another command was sent under this id before");
            }
            return;
        }
        long now = outdial == null ? clock : Math.max(clock, outdial.lastTime);
        cause = command.id;
        causeHash = content;
        actor = command.actor;
        if (command instanceof Command.CreateOutdial create) {
            outdial = create(outdial, create, now);
        } else if (outdial == null) {
            throw new Refused("outdial_unknown", "there is no such outdial");
        }
        int version = outdial.version;
        if (command instanceof Command.AddTarget add) {
            add(outdial, add, now);
        } else if (command instanceof Command.DialResult result) {
            result(outdial, result, now);
        }
        if (outdial.version > version || command instanceof Command.CreateOutdial) {
            ByteBuffer noted = ByteBuffer.allocate(24).putLong(now).put(content.getBytes(StandardCharsets.US_ASCII));
            ids.put(idKey, noted.array());
            drain(outdial, now);
            save(key, outdial);
        }
    }

    /** What a command asks, whoever asks it: its fields but for the defaults. */
    private String content(Command command) {
        StringBuilder out = new StringBuilder(256).append(command.type()).append('{');
        field(out, "outdial_id", command.outdial_id, "");
        if (command instanceof Command.AddTarget add) {
            field(out, "target_id", add.target_id, "");
            field(out, "name", add.name, "");
            field(out, "detail", add.detail, "");
            field(out, "data", add.data, "");
            for (Command.Address address : new Command.Address[] {
                add.destination_0, add.destination_1, add.destination_2, add.destination_3, add.destination_4
            }) {
                wire.address(out, address);
            }
            out.append(add.try_count_max).append(add.priority);
            field(out, "time_zone", add.time_zone, "");
            field(out, "on_duplicate", add.on_duplicate, "accept");
        } else if (command instanceof Command.DialResult result) {
            field(out, "target_id", result.target_id, "");
            field(out, "attempt_id", result.attempt_id, "");
            field(out, "outcome", result.outcome, "");
            out.append(result.answered);
            field(out, "started_at", result.started_at, "");
            field(out, "ended_at", result.ended_at, "");
            field(out, "call_id", result.call_id, "");
        } else if (command instanceof Command.CreateOutdial create) {
            field(out, "name", create.name, "");
            field(out, "detail", create.detail, "");
            field(out, "data", create.data, "");
            field(out, "campaign_id", create.campaign_id, Wire.ZERO_ID);
            out.append(create.plan == null ? "" : planJson(create.plan));
        }
        return out.append('}').toString();
    }

    private void field(StringBuilder out, String name, String value, String usual) {
        if (value != null && !value.equals(usual)) {
            wire.text(out.append('"').append(name).append("\":"), value);
        }
    }

    private String planJson(Command.Plan plan) {
        try {
            return mapper.writeValueAsString(plan);
        } catch (JsonProcessingException error) {
            throw new IllegalStateException(error);
        }
    }

    // --- the outdial and its targets --------------------------------------------------------------------

    private State.Outdial create(State.Outdial before, Command.CreateOutdial command, long now) throws Refused {
        if (before != null) {
            throw new Refused("already_exists", "there is an outdial with this id already");
        }
        Wire.checkLength(command.name, 255, "name");
        Wire.checkLength(command.detail, 65_536, "detail");
        Wire.checkLength(command.data, 65_536, "data");
        State.Outdial outdial = new State.Outdial();
        outdial.id = command.outdial_id;
        outdial.customer = command.customer_id == null ? Wire.ZERO_ID : command.customer_id;
        outdial.campaign = Wire.checkedId(command.campaign_id, "campaign_id");
        StringBuilder created = begin(outdial, "OutdialCreated", now);
        created.append("\"customer_id\":\"").append(outdial.customer).append("\",\"campaign_id\":\"").append(outdial.campaign);
        wire.text(created.append("\",\"name\":"), command.name);
        wire.text(created.append(",\"detail\":"), command.detail);
        wire.text(created.append(",\"data\":"), command.data);
        emit(outdial, created, now);
        if (command.plan != null) {
            outdial.running = true;
            outdial.run = 1;
            outdial.plan = command.plan;
            outdial.planVersion = 1;
            String plan = planJson(command.plan);
            outdial.planJson = plan.getBytes(StandardCharsets.UTF_8);
            StringBuilder started = begin(outdial, "DialingStarted", now);
            started.append("\"run\":1,\"campaign_id\":\"").append(Wire.ZERO_ID).append("\",\"campaign_type\":\"\",\"end_handle\":\"continue\",");
            started.append("\"outplan_id\":\"").append(Wire.ZERO_ID).append("\",\"chain\":[]");
            emit(outdial, started, now);
            StringBuilder applied = begin(outdial, "PlanApplied", now);
            applied.append("\"version\":1,\"plan\":").append(plan).append(",\"outplan_id\":\"").append(Wire.ZERO_ID).append('"');
            emit(outdial, applied, now);
        }
        return outdial;
    }

    private void add(State.Outdial outdial, Command.AddTarget command, long now) throws Refused {
        String targetId = command.target_id == null ? wire.derived(command.id, "0") : Wire.checkedId(command.target_id, "target_id");
        Wire.checkLength(command.name, 255, "name");
        Wire.checkLength(command.detail, 65_536, "detail");
        Wire.checkLength(command.data, 65_536, "data");
        if (command.priority < -100 || command.priority > 100) {
            throw new Refused("field_invalid", "priority: -100 to 100");
        }
        if (command.try_count_max != null && (command.try_count_max < 0 || command.try_count_max > 1_000_000)) {
            throw new Refused("field_invalid", "try_count_max: 0 to 1000000");
        }
        if (command.time_zone != null && !java.time.ZoneId.getAvailableZoneIds().contains(command.time_zone)) {
            throw new Refused("time_zone_unknown", "time_zone must be an IANA name such as Europe/Berlin");
        }
        Command.Address[] destinations = {
            present(command.destination_0), present(command.destination_1), present(command.destination_2),
            present(command.destination_3), present(command.destination_4)
        };
        int count = State.SLOTS;
        while (count > 0 && destinations[count - 1] == null) {
            count--;
        }
        destinations = Arrays.copyOf(destinations, count);
        String[] prints = new String[count];
        String first = null;
        for (int slot = 0; slot < count; slot++) {
            if (destinations[slot] != null) {
                prints[slot] = wire.fingerprint(checked(slot, destinations[slot]));
                first = first == null ? prints[slot] : first;
            }
        }
        if (first == null) {
            throw new Refused("destination_missing", "a target needs at least one of destination_0 to destination_4");
        }
        byte[] targetKey = new Wire.Key().id(outdial.id).id(targetId).bytes();
        byte[] known = targets.get(targetKey);
        if (known != null) {
            if (State.Target.of(known).isSame(command, destinations)) {
                return;
            }
            throw new Refused("already_exists", "there is another target with this id");
        }
        byte[] addressKey = ByteBuffer.allocate(32).put(Wire.uuid(outdial.id)).put(java.util.HexFormat.of().parseHex(first)).array();
        byte[] twin = addresses.get(addressKey);
        if (twin != null && !"accept".equals(command.on_duplicate)) {
            if ("skip".equals(command.on_duplicate)) {
                return;
            }
            throw new Refused("duplicate", "a target of this outdial has the same first destination");
        }
        if (twin == null) {
            addresses.put(addressKey, Wire.uuid(targetId));
        }
        State.Target target = new State.Target();
        target.id = targetId;
        target.number = outdial.version + 1;
        target.tryCountMax = command.try_count_max;
        target.priority = command.priority;
        target.timeZone = command.time_zone == null ? "" : command.time_zone;
        target.name = command.name;
        target.detail = command.detail;
        target.data = command.data;
        target.destinations = destinations;
        target.since = now;
        target.wait = State.NOW;
        StringBuilder out = begin(outdial, "TargetAdded", now).append("\"target_id\":\"").append(targetId).append("\",\"types\":[");
        for (int slot = 0; slot < count; slot++) {
            out.append(slot == 0 ? "" : ",");
            if (destinations[slot] == null) {
                out.append("null");
            } else {
                wire.text(out, destinations[slot].type);
            }
        }
        out.append("],\"fingerprints\":[");
        for (int slot = 0; slot < count; slot++) {
            out.append(slot == 0 ? "" : ",").append(prints[slot] == null ? "null" : '"' + prints[slot] + '"');
        }
        out.append("],\"key_id\":\"").append(keyId).append("\",\"personal\":{\"name\":");
        wire.text(out, target.name);
        wire.text(out.append(",\"detail\":"), target.detail);
        wire.text(out.append(",\"data\":"), target.data);
        out.append(",\"destinations\":[");
        for (int slot = 0; slot < count; slot++) {
            wire.address(slot == 0 ? out : out.append(','), destinations[slot]);
        }
        out.append("]}");
        if (target.tryCountMax != null) {
            out.append(",\"try_count_max\":").append(target.tryCountMax);
        }
        out.append(",\"priority\":").append(target.priority);
        if (command.time_zone != null) {
            wire.text(out.append(",\"time_zone\":"), command.time_zone);
        }
        emit(outdial, out, now);
        await(outdial, target, now);
        targets.put(targetKey, target.bytes());
    }

    private static Command.Address present(Command.Address address) {
        return address == null || address.type.isEmpty() && address.target.isEmpty() ? null : address;
    }

    private static String checked(int slot, Command.Address address) throws Refused {
        if (!ADDRESS_TYPES.contains(address.type)) {
            throw new Refused("address_type_unknown", "destination_" + slot + ".type is not one we know");
        }
        String text = normalized(address);
        if (text == null) {
            throw new Refused("address_invalid", "destination_" + slot + ".target is not a valid " + address.type + " address");
        }
        return address.type + ':' + text;
    }

    private static String normalized(Command.Address address) {
        String text = address.target.strip();
        switch (address.type) {
            case "tel", "whatsapp":
                if (text.isEmpty() || text.charAt(0) != '+') {
                    return null;
                }
                StringBuilder number = new StringBuilder("+");
                boolean clean = true;
                for (int i = 1; i < text.length(); i++) {
                    char c = text.charAt(i);
                    if (c >= '0' && c <= '9') {
                        number.append(c);
                    } else {
                        clean = false;
                    }
                }
                boolean fits = number.length() >= 8 && number.length() <= 16;
                return fits && (clean || NUMBER_JUNK.matcher(text.substring(1)).matches()) ? number.toString() : null;
            case "sip":
                var found = SIP.matcher(text);
                return found.matches() ? found.group(1) + '@' + found.group(2).toLowerCase(Locale.ROOT) + found.group(3) : null;
            case "email":
                return EMAIL.matcher(text).matches() ? text.toLowerCase(Locale.ROOT) : null;
            default:
                String lower = text.toLowerCase(Locale.ROOT);
                return UUID.matcher(lower).matches() ? lower : null;
        }
    }

    // --- what is due --------------------------------------------------------------------------------------

    /** Request an idle target at once when it is due and nothing holds it back; else keep it where it will be found. */
    private void await(State.Outdial outdial, State.Target target, long now) {
        if (!outdial.running) {
            arm(AGENDA, target, outdial, Long.MAX_VALUE);
            return;
        }
        int index = nextDestination(target, outdial.plan);
        if (index < 0) {
            return;
        }
        long due = target.since + waitUs(target.wait, outdial.plan);
        if (due > now) {
            arm(AGENDA, target, outdial, due);
        } else if (!held.contains(outdial.id) && !isHeld(outdial, now)) {
            request(outdial, target, index, due, now);
        } else {
            timers.put(readyKey(outdial, target, due), NOTHING);
            held.add(outdial.id);
        }
    }

    private void arm(int kind, State.Target target, State.Outdial outdial, long due) {
        timers.put(new Wire.Key().small(kind).number(due).id(outdial.id).id(target.id).bytes(), NOTHING);
        nextDue[kind] = Math.min(nextDue[kind], due);
    }

    private static byte[] readyKey(State.Outdial outdial, State.Target target, long due) {
        return new Wire.Key().small(READY).id(outdial.id).small(100 - target.priority).number(due).number(target.number).id(target.id).bytes();
    }

    private boolean isHeld(State.Outdial outdial, long now) {
        int limit = outdial.silent >= SILENT_ATTEMPTS ? 1 : outdial.plan.max_concurrent;
        if (limit > 0 && outdial.open >= limit) {
            return true;
        }
        Integer rate = outdial.plan.calls_per_second;
        return rate != null && outdial.recent.length >= rate && outdial.recent[outdial.recent.length - rate] + 1_000_000 > now;
    }

    /** Request what was held back, as far as the pace allows. */
    private void drain(State.Outdial outdial, long now) {
        if (!held.contains(outdial.id) || !outdial.running) {
            return;
        }
        List<byte[]> taken = new ArrayList<>();
        boolean empty = true;
        byte[] from = new Wire.Key().small(READY).id(outdial.id).bytes();
        byte[] to = Arrays.copyOf(from, 61);
        Arrays.fill(to, 17, 61, (byte) 0xFF);
        try (KeyValueIterator<byte[], byte[]> found = timers.range(from, to)) {
            while (found.hasNext()) {
                if (isHeld(outdial, now) || taken.size() >= AT_ONCE) {
                    empty = false;
                    break;
                }
                byte[] key = found.next().key;
                taken.add(key);
                byte[] targetKey = new Wire.Key().id(outdial.id).id(Wire.uuidText(key, 34)).bytes();
                State.Target target = State.Target.of(targets.get(targetKey));
                int index = target.status == State.IDLE ? nextDestination(target, outdial.plan) : -1;
                if (index >= 0) {
                    request(outdial, target, index, ByteBuffer.wrap(key).getLong(18), now);
                    targets.put(targetKey, target.bytes());
                }
            }
        }
        taken.forEach(timers::delete);
        if (empty) {
            held.remove(outdial.id);
        }
    }

    private void tick() {
        long clock = Wire.now();
        causeHash = "";
        actor = null;
        for (byte[] key : due(LEASES, clock)) {
            endLease(key, clock);
        }
        for (byte[] key : due(AGENDA, clock)) {
            timers.delete(key);
            String outdialId = Wire.uuidText(key, 9);
            State.Outdial outdial = load(Wire.uuid(outdialId));
            byte[] targetKey = new Wire.Key().id(outdialId).id(Wire.uuidText(key, 25)).bytes();
            State.Target target = State.Target.of(targets.get(targetKey));
            if (target.status == State.IDLE) {
                await(outdial, target, Math.max(clock, outdial.lastTime));
                targets.put(targetKey, target.bytes());
                save(Wire.uuid(outdialId), outdial);
            }
        }
        for (String outdialId : List.copyOf(held)) {
            State.Outdial outdial = load(Wire.uuid(outdialId));
            int version = outdial.version;
            drain(outdial, Math.max(clock, outdial.lastTime));
            if (outdial.version > version) {
                save(Wire.uuid(outdialId), outdial);
            }
        }
    }

    /** The keys of the timers of a kind that are due. */
    private List<byte[]> due(int kind, long clock) {
        if (nextDue[kind] > clock) {
            return List.of();
        }
        List<byte[]> found = new ArrayList<>();
        byte[] from = new Wire.Key().small(kind).number(nextDue[kind]).bytes();
        nextDue[kind] = Long.MAX_VALUE;
        try (KeyValueIterator<byte[], byte[]> all = timers.range(from, new byte[] {(byte) (kind + 1)})) {
            while (all.hasNext() && nextDue[kind] == Long.MAX_VALUE) {
                byte[] key = all.next().key;
                long due = ByteBuffer.wrap(key).getLong(1);
                if (due > clock || found.size() >= AT_ONCE) {
                    nextDue[kind] = due;
                } else {
                    found.add(key);
                }
            }
        }
        return found;
    }

    private void forgetIds() {
        long oldest = Wire.now() - REMEMBERED_US;
        List<byte[]> old = new ArrayList<>();
        try (KeyValueIterator<byte[], byte[]> all = ids.all()) {
            while (all.hasNext()) {
                KeyValue<byte[], byte[]> one = all.next();
                if (ByteBuffer.wrap(one.value).getLong() < oldest) {
                    old.add(one.key);
                }
            }
        }
        old.forEach(ids::delete);
    }

    private static int nextDestination(State.Target target, Command.Plan plan) {
        int spent = Arrays.stream(target.tries).sum();
        if (target.tryCountMax != null && spent >= target.tryCountMax || plan.max_attempts != null && spent >= plan.max_attempts) {
            return -1;
        }
        for (int index = 0; index < target.destinations.length; index++) {
            if (target.destinations[index] != null && hasTry(target, plan, index)) {
                return index;
            }
        }
        return -1;
    }

    private static boolean hasTry(State.Target target, Command.Plan plan, int index) {
        if (!"result".equals(plan.retry_mode)) {
            return target.tries[index] < plan.cap(index);
        }
        for (int kind = 0; kind < State.SLOTS; kind++) {
            int count = 0;
            for (byte code : target.outcomes) {
                count += code == index * 8 + kind ? 1 : 0;
            }
            if (count > 0 && count > plan.cap(kind)) {
                return false;
            }
        }
        return true;
    }

    private static long waitUs(long wait, Command.Plan plan) {
        if (wait == State.NOW) {
            return 0;
        }
        long interval = plan.try_interval;
        if (wait > 0) {
            interval = Math.max(interval, wait > 10 ? 900_000 : Math.min(1_000L << wait - 1, 900_000));
        }
        return interval * 1_000;
    }

    // --- attempts ---------------------------------------------------------------------------------------

    private void request(State.Outdial outdial, State.Target target, int index, long due, long now) {
        String causeBefore = cause;
        String hashBefore = causeHash;
        String actorBefore = actor;
        int ordinal = target.ordinal + 1;
        cause = wire.derived(outdial.id, "request/" + target.id + '/' + ordinal);
        causeHash = "";
        actor = null;
        Command.Plan plan = outdial.plan;
        String attempt = wire.attemptId(outdial.id, target.id, ordinal);
        long notAfter = now + plan.pickup_timeout * 1_000;
        long expiresAt = notAfter + (plan.ring() + plan.result_grace) * 1_000;
        String rule = target.wait > 0 ? "not_dialed_again"
                : target.tries[index] > 0 ? "retry" : Arrays.stream(target.tries).sum() > 0 ? "next_destination" : "first_try";
        StringBuilder out = begin(outdial, "DialRequested", now);
        out.append("\"attempt_id\":\"").append(attempt).append("\",\"target_id\":\"").append(target.id);
        out.append("\",\"ordinal\":").append(ordinal).append(",\"destination_index\":").append(index);
        out.append(",\"try_count\":").append(target.tries[index] + 1).append(",\"rule\":\"").append(rule).append("\",\"due_at\":");
        wire.instant(out, due).append(",\"run\":").append(outdial.run);
        out.append(",\"campaign_id\":\"").append(Wire.ZERO_ID).append("\",\"campaign_type\":\"\",\"outplan_id\":\"").append(Wire.ZERO_ID);
        out.append("\",\"plan_version\":").append(outdial.planVersion);
        if (plan.source != null) {
            wire.address(out.append(",\"source\":"), plan.source);
        }
        out.append(",\"dial_timeout\":").append(plan.ring());
        wire.instant(out.append(",\"not_after\":"), notAfter);
        wire.instant(out.append(",\"expires_at\":"), expiresAt);
        emit(outdial, out, now);
        String eventId = "outdial/" + outdial.id + '/' + outdial.version;

        StringBuilder asked = new StringBuilder(768).append("{\"attempt_id\":\"").append(attempt).append("\",\"outdial_id\":\"").append(outdial.id);
        asked.append("\",\"target_id\":\"").append(target.id).append("\",\"campaign_id\":\"").append(Wire.ZERO_ID);
        asked.append("\",\"campaign_type\":\"\",\"customer_id\":\"").append(outdial.customer).append("\",\"outplan_id\":\"").append(Wire.ZERO_ID);
        asked.append("\",\"plan_version\":").append(outdial.planVersion);
        if (plan.source != null) {
            wire.address(asked.append(",\"source\":"), plan.source);
        }
        wire.address(asked.append(",\"destination\":"), dialable(target.destinations[index]));
        asked.append(",\"destination_index\":").append(index).append(",\"try_count\":").append(target.tries[index] + 1);
        asked.append(",\"dial_timeout\":").append(plan.ring());
        wire.instant(asked.append(",\"requested_at\":"), now);
        wire.instant(asked.append(",\"not_after\":"), notAfter);
        wire.instant(asked.append(",\"expires_at\":"), expiresAt);
        wire.text(asked.append(",\"name\":"), target.name);
        wire.text(asked.append(",\"detail\":"), target.detail);
        wire.text(asked.append(",\"data\":"), target.data);
        asked.append(",\"event_id\":\"").append(eventId).append("\"}");
        byte[] key = target.id.getBytes(StandardCharsets.US_ASCII);
        byte[] value = asked.toString().getBytes(StandardCharsets.UTF_8);
        context.forward(new Record<>(key, value, now / 1_000), "dial-requests");

        target.status = State.PROGRESSING;
        target.tries[index]++;
        target.ordinal = ordinal;
        target.notDialed = 0;
        target.attempt = attempt;
        target.index = index;
        target.expiresAt = expiresAt;
        arm(LEASES, target, outdial, expiresAt);
        outdial.open++;
        outdial.requests++;
        if (plan.calls_per_second != null) {
            long[] recent = Arrays.stream(outdial.recent).filter(at -> at > now - 1_000_000).toArray();
            outdial.recent = Arrays.copyOf(recent, recent.length + 1);
            outdial.recent[recent.length] = now;
        }
        cause = causeBefore;
        causeHash = hashBefore;
        actor = actorBefore;
    }

    private static Command.Address dialable(Command.Address address) {
        String text = normalized(address);
        boolean folded = "tel".equals(address.type) || "whatsapp".equals(address.type) || "email".equals(address.type);
        if (!folded || text == null || text.equals(address.target)) {
            return address;
        }
        Command.Address out = new Command.Address();
        out.type = address.type;
        out.target = text;
        out.target_name = address.target_name;
        out.name = address.name;
        out.detail = address.detail;
        return out;
    }

    private void result(State.Outdial outdial, Command.DialResult command, long now) throws Refused {
        String targetId = Wire.checkedId(command.target_id, "target_id");
        String attemptId = Wire.checkedId(command.attempt_id, "attempt_id");
        String outcome = ALIASES.getOrDefault(command.outcome == null ? "" : command.outcome, command.outcome);
        if (!OUTCOMES.contains(outcome)) {
            throw new Refused(outcome == null ? "field_missing" : "field_invalid", "outcome must be one of " + OUTCOMES);
        }
        Wire.checkLength(command.call_id, 255, "call_id");
        byte[] targetKey = new Wire.Key().id(outdial.id).id(targetId).bytes();
        byte[] known = targets.get(targetKey);
        if (known == null) {
            throw new Refused("target_unknown", "this outdial has no such target");
        }
        State.Target target = State.Target.of(known);
        boolean answered = Boolean.TRUE.equals(command.answered);
        String inForce = answered && !"machine".equals(outcome) ? "answered" : outcome;
        if (target.status == State.PROGRESSING && target.attempt.equals(attemptId)) {
            end(outdial, target, inForce, false, "not_dialed".equals(outcome) && !answered, command, now);
            targets.put(targetKey, target.bytes());
            return;
        }
        wordForClosed(outdial, target, attemptId, inForce, now);
        targets.put(targetKey, target.bytes());
    }

    private void wordForClosed(State.Outdial outdial, State.Target target, String attemptId, String outcome, long now) throws Refused {
        int ordinal = 0;
        for (int wanted = target.ordinal; wanted > 0 && ordinal == 0; wanted--) {
            ordinal = wire.attemptId(outdial.id, target.id, wanted).equals(attemptId) ? wanted : 0;
        }
        if (ordinal == 0) {
            throw new Refused("attempt_unknown", "this target never had such an attempt");
        }
        int at = target.ends.length - 1 - (target.ordinal - ordinal - (target.status == State.PROGRESSING ? 1 : 0));
        int end = at >= 0 && at < target.ends.length ? target.ends[at] & 0xFF : -1;
        if (end >= 0 && (end & LOST) != 0 && "answered".equals(outcome) && (target.status == State.IDLE || target.status == State.EXHAUSTED)) {
            finish(outdial, target, attemptId, true, now);
            target.ends[at] = (byte) OUTCOMES.indexOf("answered");
            return;
        }
        if (end >= 0 && (end & ~LOST) == OUTCOMES.indexOf(outcome)) {
            return;
        }
        StringBuilder out = begin(outdial, "ResultIgnored", now);
        out.append("\"attempt_id\":\"").append(attemptId).append("\",\"target_id\":\"").append(target.id).append("\",\"outcome\":\"");
        out.append(outcome).append("\",\"reason\":\"").append(ordinal == target.ordinal ? "closed" : "superseded").append('"');
        emit(outdial, out, now);
    }

    private void endLease(byte[] key, long clock) {
        timers.delete(key);
        String outdialId = Wire.uuidText(key, 9);
        byte[] targetKey = new Wire.Key().id(outdialId).id(Wire.uuidText(key, 25)).bytes();
        State.Target target = State.Target.of(targets.get(targetKey));
        if (target.status != State.PROGRESSING || target.expiresAt != ByteBuffer.wrap(key).getLong(1)) {
            return;
        }
        State.Outdial outdial = load(Wire.uuid(outdialId));
        cause = wire.derived(outdialId, "lease/" + target.attempt);
        long now = Math.max(clock, outdial.lastTime);
        end(outdial, target, "no_answer", true, false, null, now);
        targets.put(targetKey, target.bytes());
        drain(outdial, now);
        save(Wire.uuid(outdialId), outdial);
    }

    private void end(
            State.Outdial outdial, State.Target target, String outcome, boolean lost, boolean givenBack, Command.DialResult said, long now) {
        StringBuilder out = begin(outdial, "DialEnded", now);
        out.append("\"attempt_id\":\"").append(target.attempt).append("\",\"target_id\":\"").append(target.id).append("\",\"ordinal\":");
        out.append(target.ordinal).append(",\"destination_index\":").append(target.index).append(",\"outcome\":\"").append(outcome);
        out.append("\",\"lost\":").append(lost).append(",\"given_back\":").append(givenBack);
        if (said != null && said.started_at != null) {
            wire.text(out.append(",\"started_at\":"), said.started_at);
        }
        if (said != null && said.ended_at != null) {
            wire.text(out.append(",\"ended_at\":"), said.ended_at);
        }
        if (said != null && said.call_id != null) {
            wire.text(out.append(",\"call_id\":"), said.call_id);
        }
        emit(outdial, out, now);
        target.end(OUTCOMES.indexOf(outcome) | (lost ? LOST : 0));
        if (givenBack) {
            target.tries[target.index]--;
            target.notDialed++;
        } else {
            target.spend(target.index * 8 + RESULT_TYPES.getOrDefault(outcome, 4));
            target.notDialed = 0;
        }
        target.status = State.IDLE;
        target.since = now;
        target.wait = target.notDialed;
        outdial.open--;
        outdial.silent = lost || "not_dialed".equals(outcome) ? outdial.silent + 1 : 0;
        if ("answered".equals(outcome)) {
            finish(outdial, target, target.attempt, false, now);
        } else if (Arrays.stream(target.tries).sum() > 0 && nextDestination(target, outdial.plan) < 0) {
            StringBuilder exhausted = begin(outdial, "TargetExhausted", now);
            exhausted.append("\"target_id\":\"").append(target.id).append("\",\"plan_version\":").append(outdial.planVersion);
            emit(outdial, exhausted, now);
            target.status = State.EXHAUSTED;
        } else {
            await(outdial, target, now);
        }
    }

    private void finish(State.Outdial outdial, State.Target target, String attemptId, boolean late, long now) {
        StringBuilder out = begin(outdial, "TargetFinished", now);
        out.append("\"target_id\":\"").append(target.id).append("\",\"attempt_id\":\"").append(attemptId).append("\",\"late\":").append(late);
        emit(outdial, out, now);
        target.status = State.REACHED;
    }

    // --- what goes out ------------------------------------------------------------------------------------

    /** The head of the next event of an outdial, up to its data. */
    private StringBuilder begin(State.Outdial outdial, String type, long now) {
        int sequence = outdial.version + 1;
        StringBuilder out = new StringBuilder(1_024).append("{\"specversion\":\"1.0\",\"id\":\"outdial/").append(outdial.id).append('/');
        out.append(sequence).append("\",\"source\":\"outdial\",\"type\":\"").append(type).append("\",\"subject\":\"").append(outdial.id);
        wire.instant(out.append("\",\"time\":"), now);
        out.append(",\"datacontenttype\":\"application/json\",\"dataschema\":\"outdial/").append(type).append("/1\",\"sequence\":").append(sequence);
        out.append(",\"causationid\":\"").append(cause).append("\",\"causationhash\":\"").append(causeHash).append("\",");
        if (actor != null) {
            wire.text(out.append("\"actor\":"), actor).append(',');
        }
        return out.append("\"data\":{");
    }

    private void emit(State.Outdial outdial, StringBuilder event, long now) {
        outdial.version++;
        outdial.lastTime = now;
        byte[] value = event.append("}}").toString().getBytes(StandardCharsets.UTF_8);
        Headers headers = new RecordHeaders().add("content-type", CONTENT_TYPE).add("input", input);
        byte[] key = outdial.id.getBytes(StandardCharsets.US_ASCII);
        context.forward(new Record<>(key, value, now / 1_000, headers), "events");
    }

    private void reject(Record<byte[], byte[]> record, Command command, Refused why) {
        byte[] original = record.value() == null ? new byte[0] : record.value();
        String text = new String(original, 0, Math.min(original.length, 64 * 1024), StandardCharsets.UTF_8);
        var where = context.recordMetadata().orElseThrow();
        StringBuilder out = new StringBuilder(512).append("{\"partition\":").append(where.partition());
        out.append(",\"offset\":").append(where.offset()).append(',');
        if (command != null) {
            out.append("\"command_id\":\"").append(command.id).append("\",\"type\":\"").append(command.type()).append("\",");
        }
        out.append("\"reason\":\"").append(why.reason).append("\",\"message\":");
        wire.text(out, why.getMessage());
        wire.instant(out.append(",\"at\":"), Wire.now());
        wire.text(out.append(",\"original\":"), text).append(",\"original_length\":").append(original.length);
        out.append(",\"original_sha256\":\"").append(wire.sha256(original)).append("\"}");
        byte[] value = out.toString().getBytes(StandardCharsets.UTF_8);
        context.forward(new Record<>(record.key(), value, record.timestamp()), "rejections");
    }

    private State.Outdial load(byte[] key) {
        byte[] found = outdials.get(key);
        if (found == null) {
            return null;
        }
        State.Outdial outdial = State.Outdial.of(found);
        if (outdial.planJson.length > 0) {
            outdial.plan = plan(outdial.planJson);
        }
        return outdial;
    }

    private final java.util.HashMap<String, Command.Plan> parsedPlans = new java.util.HashMap<>();

    /** Plans are few; each is parsed once. */
    private Command.Plan plan(byte[] json) {
        return parsedPlans.computeIfAbsent(new String(json, StandardCharsets.UTF_8), text -> {
            try {
                return plans.readValue(text);
            } catch (JsonProcessingException error) {
                throw new IllegalStateException(error);
            }
        });
    }

    private void save(byte[] key, State.Outdial outdial) {
        outdials.put(key, outdial.bytes());
    }
}
