package outdial.peer;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import com.fasterxml.jackson.annotation.JsonTypeInfo.As;
import com.fasterxml.jackson.annotation.JsonTypeInfo.Id;

/** The three commands this peer knows, as they stand on the wire. An unknown field is refused. */
@JsonTypeInfo(use = Id.NAME, include = As.PROPERTY, property = "type")
@JsonSubTypes({
    @JsonSubTypes.Type(value = Command.CreateOutdial.class, name = "CreateOutdial"),
    @JsonSubTypes.Type(value = Command.AddTarget.class, name = "AddTarget"),
    @JsonSubTypes.Type(value = Command.DialResult.class, name = "DialResult"),
})
public abstract class Command {
    public String id;
    public String customer_id;
    public String actor;
    public String time;
    public String outdial_id;

    abstract String type();

    public static final class CreateOutdial extends Command {
        public String name = "";
        public String detail = "";
        public String data = "";
        public String campaign_id = Wire.ZERO_ID;
        public Plan plan;

        @Override
        String type() {
            return "CreateOutdial";
        }
    }

    public static final class AddTarget extends Command {
        public String target_id;
        public String name = "";
        public String detail = "";
        public String data = "";
        public Address destination_0;
        public Address destination_1;
        public Address destination_2;
        public Address destination_3;
        public Address destination_4;
        public Integer try_count_max;
        public int priority;
        public String time_zone;
        public String on_duplicate = "accept";

        @Override
        String type() {
            return "AddTarget";
        }
    }

    public static final class DialResult extends Command {
        public String target_id;
        public String attempt_id;
        public String outcome;
        public Boolean answered;
        public String started_at;
        public String ended_at;
        public String call_id;

        @Override
        String type() {
            return "DialResult";
        }
    }

    /** One endpoint of a call. */
    @JsonIgnoreProperties(ignoreUnknown = true)
    public static final class Address {
        public String type = "";
        public String target = "";
        public String target_name = "";
        public String name = "";
        public String detail = "";
    }

    /** The plan a run goes by; durations are milliseconds. */
    public static final class Plan {
        public Address source;
        public int dial_timeout = 30_000;
        public long try_interval = 60_000;
        public int max_try_count_0;
        public int max_try_count_1;
        public int max_try_count_2;
        public int max_try_count_3;
        public int max_try_count_4;
        public String retry_mode = "destination";
        public Integer max_attempts;
        public int max_concurrent = 100;
        public Integer calls_per_second;
        public long pickup_timeout = 60_000;
        public long result_grace = 600_000;
        public long max_call_duration = 14_400_000;

        int cap(int slot) {
            return switch (slot) {
                case 0 -> max_try_count_0;
                case 1 -> max_try_count_1;
                case 2 -> max_try_count_2;
                case 3 -> max_try_count_3;
                default -> max_try_count_4;
            };
        }

        int ring() {
            return dial_timeout == 0 ? 30_000 : dial_timeout;
        }
    }
}
