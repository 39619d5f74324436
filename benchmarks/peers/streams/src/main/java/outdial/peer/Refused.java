package outdial.peer;

/** A rule says no: a stable word, and a sentence for people. */
final class Refused extends Exception {
    private static final long serialVersionUID = 1L;
    final String reason;

    Refused(String reason, String message) {
        super(message, null, false, false);
        this.reason = reason;
    }
}
