package marketpipeline;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The bars of the minutes that trades come for, as a view of {@code trades_silver}.
 *
 * <p>A minute that is not held is loaded from the table first; trades that come meanwhile wait, and are added to what was
 * loaded. When its trades are stored, it is settled: the table's rows are counted, and where another writer has stored
 * some, the minute is loaded anew. So of two writers of one minute the one whose last trade is stored last writes the
 * bar of all. Settled minutes are held while there is room. Pure, and not thread-safe.
 */
public final class Bars {

  /**
   * A minute and its bar.
   *
   * @param writeTime of the row that is to be made of it, epoch microseconds
   */
  public record Held(Minute minute, Bar bar, long writeTime) {}

  private enum State {
    /** What the table has is on its way. */
    LOADING,
    /** Trades may have come that the table has not counted. */
    CHANGED,
    /** The table's rows are being counted. */
    SETTLING,
    /** It is all that the table has. */
    SETTLED
  }

  private static final class Entry {
    Bar bar = new Bar();
    State state = State.LOADING;
    List<Trade> waiting = new ArrayList<>(1);
    /** Trades that are not stored yet, and counts of the table's rows that are not answered yet. */
    int unstored, counting;
    boolean written, idle;
    long writtenAt, writeTime;
  }

  /** A minute without its trades takes as much memory as so many trades. */
  private static final int MINUTE_WEIGHS = 6;

  /** Minutes that are loaded at a time: how much memory they will take is not known before. */
  private static final int MOST_LOADING = 8;

  private final int room;
  private final long intervalNs;
  private final Map<Minute, Entry> entries = new HashMap<>();
  private final Set<Minute> toLoad = new LinkedHashSet<>(), dirty = new LinkedHashSet<>(), unsettled = new HashSet<>();
  /** Of the unsettled those whose trades are stored; of the settled those with nothing under way, the one used last last. */
  private final Set<Minute> complete = new LinkedHashSet<>(), idle = new LinkedHashSet<>();
  private int loading;
  private long size, lookedAt;
  private boolean looked;

  /**
   * @param room how many trades may be held, over all minutes; a minute itself counts as some
   * @param intervalNs the least time between two rows of a bar
   */
  public Bars(int room, long intervalNs) {
    this.room = room;
    this.intervalNs = intervalNs;
  }

  /** Takes in a trade that is on its way into {@code trades_silver}: {@link #stored} says when it is there. */
  public void add(Trade trade) {
    Minute minute = trade.minute();
    Entry entry = entries.get(minute);
    if (entry == null) {
      entry = new Entry();
      entries.put(minute, entry);
      size += MINUTE_WEIGHS;
      toLoad.add(minute);
      unsettled.add(minute);
    }
    entry.unstored++;
    if (entry.state == State.LOADING) {
      entry.waiting.add(trade);
      size += Bar.weight(trade.id());
    } else if (put(entry, trade)) {
      size += Bar.weight(trade.id());
      dirty.add(minute);
      entry.state = State.CHANGED;
      unsettled.add(minute);
    }
    sort(minute, entry);
  }

  /** A trade that was added is in {@code trades_silver}. */
  public void stored(Trade trade) {
    Minute minute = trade.minute();
    Entry entry = entries.get(minute);
    if (entry == null) return;
    entry.unstored--;
    sort(minute, entry);
  }

  /** Puts a minute whose state may have changed where it is found, instead of a search through all of them. */
  private void sort(Minute minute, Entry entry) {
    if (entry.state == State.CHANGED) {
      // one count at a time: of two the older may be answered last
      if (entry.unstored == 0 && entry.counting == 0) complete.add(minute);
      else complete.remove(minute);
    }
    // an answer that is still to come would be taken for one of the next entry of the minute
    boolean free = entry.state == State.SETTLED && entry.unstored == 0 && entry.counting == 0 && !dirty.contains(minute);
    if (free == entry.idle) return;
    entry.idle = free;
    if (free) idle.add(minute);
    else idle.remove(minute);
  }

  /** The minutes to load now, each with an empty bar to load into. */
  public List<Held> toLoad() {
    if (toLoad.isEmpty()) return List.of();
    List<Held> taken = new ArrayList<>();
    for (Iterator<Minute> each = toLoad.iterator(); each.hasNext() && loading < MOST_LOADING; loading++) {
      Minute minute = each.next();
      taken.add(new Held(minute, entries.get(minute).bar, 0));
      each.remove();
    }
    return taken;
  }

  /** A minute was loaded into the bar that {@link #toLoad} gave. */
  public void loaded(Minute minute) {
    Entry entry = entries.get(minute);
    loading--;
    // a load of several pages is no snapshot: even trades that it has were perhaps stored after some of its pages
    boolean more = !entry.waiting.isEmpty();
    for (Trade trade : entry.waiting) {
      size -= Bar.weight(trade.id());
      put(entry, trade);
    }
    entry.waiting = null;
    size += entry.bar.weight();
    entry.state = more ? State.CHANGED : State.SETTLED;
    if (entry.state == State.SETTLED) unsettled.remove(minute);
    dirty.add(minute); // even by no new trade: who stored them may have ended before it wrote the bar
    sort(minute, entry);
  }

  private static boolean put(Entry entry, Trade trade) {
    return entry.bar.add(trade.ts(), trade.id(), trade.price(), trade.volume(), trade.receivedMs());
  }

  /** At most so many of the bars whose rows are to be written at {@code now}, in nanoseconds; they count as written. */
  public List<Held> due(long now, int count) {
    // every bar that changed is looked at, so not for every trade
    if (dirty.isEmpty() || count == 0 || looked && now - lookedAt < intervalNs / 4) return List.of();
    looked = true;
    lookedAt = now;
    return rows(now, count, false);
  }

  /** At most so many of the bars that changed since their rows were written, however short ago that was. */
  public List<Held> changed(long now, int count) {
    return dirty.isEmpty() ? List.of() : rows(now, count, true);
  }

  private List<Held> rows(long now, int count, boolean all) {
    List<Held> taken = new ArrayList<>();
    for (Iterator<Minute> each = dirty.iterator(); each.hasNext() && taken.size() < count; ) {
      Minute minute = each.next();
      Entry entry = entries.get(minute);
      if (!all && entry.written && now - entry.writtenAt < intervalNs) continue;
      each.remove();
      if (entry.bar.size() > 0 && !entry.bar.isSealed()) { // none: its trades were deleted meanwhile
        long own = entry.bar.writeTime();
        // it may have shrunk, by trades that were deleted: then it has to outbid its own row
        entry.writeTime = own >= entry.writeTime ? own : entry.writeTime + 1;
        entry.written = true;
        entry.writtenAt = now;
        taken.add(new Held(minute, entry.bar, entry.writeTime));
      }
      sort(minute, entry);
    }
    return taken;
  }

  /** At most so many of the minutes all of whose trades are stored, and whose rows in the table are to be counted. */
  public List<Minute> toSettle(int count) {
    List<Minute> taken = new ArrayList<>();
    for (Iterator<Minute> each = complete.iterator(); each.hasNext() && taken.size() < count; each.remove()) {
      Minute minute = each.next();
      Entry entry = entries.get(minute);
      entry.state = State.SETTLING;
      entry.counting++;
      unsettled.remove(minute);
      taken.add(minute);
    }
    return taken;
  }

  /** The table has so many rows of a minute. */
  public void counted(Minute minute, long rows) {
    Entry entry = entries.get(minute);
    entry.counting--;
    // otherwise a trade has come meanwhile, or this count is of before the last one
    if (entry.state == State.SETTLING && entry.counting == 0) {
      if (rows == entry.bar.size()) entry.state = State.SETTLED;
      else loadAgain(minute, entry);
    }
    sort(minute, entry);
  }

  private void loadAgain(Minute minute, Entry entry) {
    size -= entry.bar.weight();
    entry.bar = new Bar();
    entry.state = State.LOADING;
    entry.waiting = new ArrayList<>(1);
    dirty.remove(minute);
    toLoad.add(minute);
    unsettled.add(minute);
  }

  /** Evicts settled minutes, of those first that were used longest ago, until there is room. */
  public void makeRoom() {
    for (Iterator<Minute> each = idle.iterator(); size > room && each.hasNext(); each.remove())
      size -= entries.remove(each.next()).bar.weight() + MINUTE_WEIGHS;
  }

  /** Whether trades are held beyond the room, of more than one minute. */
  public boolean isFull() {
    return size > room && entries.size() > 1;
  }

  /** Whether every minute is settled and every row is written. */
  public boolean isSettled() {
    return dirty.isEmpty() && unsettled.isEmpty();
  }
}
