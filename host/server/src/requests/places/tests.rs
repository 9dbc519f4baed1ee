//! Who gets a place, and whose it was.

use super::*;
use futures_util::FutureExt;

const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A place that is free just now, of somebody who has sent no whole head.
#[track_caller]
fn take(places: &Arc<Places>, from: IpAddr) -> Place {
    let place = unread(places, from);
    place.ticket().waits();
    place
}

/// The same, of somebody whose socket we have not read yet.
#[track_caller]
fn unread(places: &Arc<Places>, from: IpAddr) -> Place {
    places.take(from).now_or_never().expect("there is a place").expect("its share is not used up")
}

fn is_evicted(place: &Place) -> bool {
    place.evict.is_cancelled()
}

async fn second() {
    time::advance(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn the_oldest_without_a_whole_head_goes_first() {
    let places = Places::new(3, None);
    let mut seated = Vec::new();
    for _ in 0..3 {
        seated.push(take(&places, HOME));
        second().await;
    }
    // The first is being answered; the second has been, and waits since then.
    seated[0].ticket().answers(Instant::now());
    seated[1].ticket().answers(Instant::now());
    second().await;
    seated[1].ticket().answered(Instant::now());
    seated[1].ticket().waits();
    second().await;
    let mut newcomer = Box::pin(places.take(HOME));
    assert!((&mut newcomer).now_or_never().is_none(), "its socket is still there");
    assert_eq!(seated.iter().map(is_evicted).collect::<Vec<_>>(), [false, false, true]);
    drop(seated.pop());
    let newcomer = newcomer.await.expect("the place is free");
    assert!(!is_evicted(&newcomer) && !is_evicted(&seated[1]));
}

#[tokio::test(start_paused = true)]
async fn one_newcomer_takes_one_place() {
    let places = Places::new(2, None);
    let (first, other) = (take(&places, HOME), take(&places, HOME));
    second().await;
    let mut newcomer = Box::pin(places.take(HOME));
    for _ in 0..3 {
        assert!((&mut newcomer).now_or_never().is_none());
        // Something happens that frees no place.
        other.ticket().waits();
    }
    assert!(is_evicted(&first) && !is_evicted(&other));
    drop(first);
    assert!(newcomer.await.is_some());
    assert!(!is_evicted(&other));
}

#[tokio::test(start_paused = true)]
async fn nobody_goes_before_a_round_trip_has_passed() {
    let places = Places::new(1, None);
    let first = take(&places, HOME);
    let asked = Instant::now();
    let leaves = async {
        first.evicted().await;
        assert_eq!(asked.elapsed(), GRACE);
        drop(first);
    };
    let (newcomer, ()) = tokio::join!(places.take(HOME), leaves);
    assert!(newcomer.is_some());
}

#[tokio::test(start_paused = true)]
async fn whose_head_may_be_there_unread_does_not_go() {
    let places = Places::new(1, None);
    let first = unread(&places, HOME);
    let mut newcomer = Box::pin(places.take(HOME));
    assert!((&mut newcomer).now_or_never().is_none());
    second().await;
    assert!((&mut newcomer).now_or_never().is_none());
    assert!(!is_evicted(&first));
    first.ticket().waits();
    assert!((&mut newcomer).now_or_never().is_none());
    assert!(is_evicted(&first));
}

#[tokio::test(start_paused = true)]
async fn who_is_answered_stays_until_the_answer_has_lasted_for_a_minute() {
    let places = Places::new(1, None);
    let first = take(&places, HOME);
    first.ticket().answers(Instant::now());
    let asked = Instant::now();
    let leaves = async {
        first.evicted().await;
        assert_eq!(asked.elapsed(), ANSWER_MAX);
        drop(first);
    };
    let (newcomer, ()) = tokio::join!(places.take(HOME), leaves);
    assert!(newcomer.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_ends_makes_room_for_who_waits() {
    let places = Places::new(1, None);
    let first = take(&places, HOME);
    first.ticket().answers(Instant::now());
    let mut newcomer = Box::pin(places.take(HOME));
    assert!((&mut newcomer).now_or_never().is_none());
    assert!(!is_evicted(&first));
    first.ticket().answered(Instant::now());
    first.ticket().waits();
    second().await;
    assert!((&mut newcomer).now_or_never().is_none());
    assert!(is_evicted(&first));
    drop(first);
    assert!(newcomer.await.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_address_has_its_share_and_others_have_theirs() {
    let places = Places::new(10, NonZeroUsize::new(2));
    let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
    let third = take(&places, other);
    let (first, next) = (take(&places, one), take(&places, one));
    second().await;
    // Its own oldest goes, not the other's; nobody waits until it has gone.
    let newcomer = take(&places, one);
    assert!(is_evicted(&first) && !is_evicted(&next) && !is_evicted(&third));
    drop(first);
    // None of its own can go: it is told so.
    next.ticket().answers(Instant::now());
    newcomer.ticket().answers(Instant::now());
    assert!(places.take(one).now_or_never().expect("at once").is_none());
    drop(take(&places, other));
    drop((next, newcomer, third));
    let state = places.state();
    assert!(state.shares.is_empty() && state.taken.is_empty(), "{state:?}");
    assert!(state.all.count == 0 && state.all.waiting.is_empty(), "{state:?}");
}

// However many come from an address that has its share, others are let in meanwhile: the port has one queue.
#[tokio::test(start_paused = true)]
async fn whoever_has_its_share_is_told_so_at_once_and_holds_up_nobody() {
    let places = Places::new(3, NonZeroUsize::new(1));
    let one = address("192.0.2.1");
    let first = take(&places, one);
    assert!(places.take(one).now_or_never().expect("at once").is_none(), "it came just now");
    second().await;
    let next = take(&places, one);
    assert!(is_evicted(&first), "its socket is still there");
    assert!(places.take(one).now_or_never().expect("at once").is_none());
    let other = take(&places, address("192.0.2.2"));
    // There is no place in all, though the first is leaving: that is waited for.
    let mut another = Box::pin(places.take(address("192.0.2.3")));
    assert!((&mut another).now_or_never().is_none());
    drop(first);
    assert!(another.await.is_some());
    assert!(!is_evicted(&next) && !is_evicted(&other));
}

#[test]
fn a_share_is_an_address_or_a_network_of_64_bits_and_never_the_loopback() {
    let same = |one, other| Share::of(address(one)) == Share::of(address(other));
    assert!(!same("192.0.2.1", "192.0.2.2"));
    assert!(same("192.0.2.1", "::ffff:192.0.2.1"));
    assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"));
    assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
    for local in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
        assert_eq!(Share::of(address(local)), None, "{local}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_loopback_has_no_share() {
    let places = Places::new(10, NonZeroUsize::new(1));
    let _all: Vec<_> = (0..10).map(|_| take(&places, HOME)).collect();
}

/// How many have a place, and how many shares there are.
fn taken(places: &Places) -> (usize, usize) {
    let state = places.state();
    (state.all.count, state.shares.len())
}

#[tokio::test(start_paused = true)]
async fn who_steps_aside_leaves_its_place_to_others_until_its_answer_is_there() {
    let places = Places::new(1, NonZeroUsize::new(1));
    let far = address("10.0.0.1");
    let aside = take(&places, far);
    aside.ticket().answers(Instant::now());
    aside.ticket().steps_aside();
    let other = take(&places, far);
    drop(other);
    assert!(places.state().shares.is_empty(), "nobody else of its address is there");
    let other = take(&places, address("10.0.0.2"));
    second().await;
    // Its answer is there: one too many have a place, and who comes next makes two of them go.
    aside.ticket().answers(Instant::now());
    aside.ticket().answered(Instant::now());
    aside.ticket().waits();
    assert_eq!(taken(&places), (2, 2));
    second().await;
    let mut newcomer = Box::pin(places.take(HOME));
    assert!((&mut newcomer).now_or_never().is_none());
    assert_eq!((is_evicted(&other), is_evicted(&aside)), (true, false));
    drop(other);
    assert!((&mut newcomer).now_or_never().is_none());
    assert!(is_evicted(&aside));
    drop(aside);
    let newcomer = newcomer.await.expect("the place is free");
    assert_eq!(taken(&places), (1, 0));
    drop(newcomer);
    // Gone while it waits.
    let aside = take(&places, far);
    aside.ticket().steps_aside();
    drop(aside);
    assert_eq!(taken(&places), (0, 0));
}
