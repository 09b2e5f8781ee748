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

/** The whole page. The chat stays as it is behind the history and the usage. */
export function App() {
  if (screen.value === 'loading') return null;
  const shown = screen.value;
  return (
    <div class="app">
      <Header />
      <main class="main">
        <Banners />
        {shown === 'history' && <History />}
        {shown === 'usage' && <UsageView />}
        <div class="chat" hidden={shown !== 'chat'}>
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
