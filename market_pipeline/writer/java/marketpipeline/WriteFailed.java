package marketpipeline;

/** A statement was given up; the trades of the epoch are read again from Kafka. */
public final class WriteFailed extends RuntimeException {
  private static final long serialVersionUID = 1;

  WriteFailed(String what, Throwable cause) {
    super(what + ": " + reason(cause), cause);
  }

  private static String reason(Throwable cause) {
    String message = cause.getMessage();
    String name = cause.getClass().getSimpleName();
    return message == null || message.isBlank() ? name : name + ": " + message.lines().findFirst().orElse("");
  }
}
