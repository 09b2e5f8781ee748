import { screen } from '../state/app.ts';
import { Banners } from './banners.tsx';
import { Composer } from './composer.tsx';
import { Header } from './header.tsx';
import { History } from './history.tsx';
import { LiveRegion } from './live-region.tsx';
import { Plan } from './plan.tsx';
import { ToastView } from './toast.tsx';
import { Transcript } from './transcript.tsx';
import { UsageView } from './usage.tsx';

/** The page. The chat stays rendered behind the history and the usage view. */
export function App() {
  if (screen.value === 'loading') return null;
  const current = screen.value;
  return (
    <div class="app">
      <Header />
      <main class="main">
        <Banners />
        {current === 'history' && <History />}
        {current === 'usage' && <UsageView />}
        <div class="chat" hidden={current !== 'chat'}>
          <Transcript />
          <Plan />
          <Composer />
        </div>
      </main>
      <ToastView />
      <LiveRegion />
    </div>
  );
}
