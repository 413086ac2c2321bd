#include "scan/frame_io_state.h"
#include "scan/scan.h"

// Without the XDP engine goes what can go without it.
static int without_xdp(const struct frame_io *io, int r, const struct err_text *why, struct err_text *e)
{
	if (io->cfg.xdp_only)
		return err_set(e, r, "--engine xdp: %s", why->text);
	log_debug(io->cfg.log, "engine xdp is not used: %s", why->text);
	return 0;
}

int frame_io_prepare_xdp(struct frame_io *io, struct err_text *e)
{
	struct err_text why = {{0}};
	int r = io->cfg.xdp->prepare(&io->prepared, &io->cfg.prepare, &why);
	return r ? without_xdp(io, r, &why, e) : 0;
}

// The XDP engine takes the place of the packet socket, if its frames are seen to leave.
int frame_io_start_xdp(struct frame_io *io, const struct frames_config *like, struct err_text *e)
{
	struct open_transport *t = &io->t[PATH_AFPACKET];
	struct err_text why = {{0}};
	struct frames_config fc = *like;
	const struct scan_config *sc = io->cfg.scan;
	fc.prepared = io->prepared;
	fc.cookie_key = io->env.cookie_key;
	fc.technique_syn = TECHNIQUE_TCP_SYN;
	fc.technique_ack = TECHNIQUE_TCP_ACK;
	fc.round = sc->xdp_batch;
	fc.keep_half_open = sc->keep_half_open;
	fc.send_threads = sc->send_threads > 0 ? (unsigned)sc->send_threads : 1;
	io->prepared = NULL; // open's in any case
	int r = io->cfg.xdp->frames->open(&t->f, &fc, &why);
	if (r)
		return without_xdp(io, r, &why, e);
	t->ops = io->cfg.xdp->frames;
	return 0;
}
